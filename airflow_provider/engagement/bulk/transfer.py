"""The bases of the transfers into a vendor's account: rows of a query, rows of files."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider.engagement.base import rendered_boolean, rendered_texts
from airflow_provider.engagement.bulk.mapping import COLUMNS, Kind, RowMapping, Shape
from airflow_provider.engagement.bulk.operator import BulkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class TransferOperator(BulkOperator):
    """Base of the operators whose rows are columns of a query or of files.

    Args:
        target: what the rows become: `users`, `groups` (Usertour: `companies`) or `events`.
        mapping: what the columns mean; by default `id` is the key and every other column an attribute. None where the rows have the
            API's own shape already, as JSON Lines can.
        **kwargs: as for `BulkOperator`, which also tells result and errors.

    Attributes:
        kinds: what each target is called in mappings.
        shape: the vendor's words.

    Raises:
        ValueError: there is no such target, or the mapping means nothing for it.
    """

    kinds: ClassVar[Mapping[str, Kind]]
    shape: ClassVar[Shape]

    def __init__(self, *, target: str, mapping: RowMapping | None = COLUMNS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if target not in self.kinds:
            raise ValueError(f"target must be one of {', '.join(self.kinds)}, got {target!r:.60}")
        if mapping is not None:
            mapping.check(self.kinds[target], self.shape)
        self.target = self.what = target
        self.keyed = target != "events"
        self.mapping = mapping

    @abstractmethod
    def open_source(self, context: Context) -> Iterable[Any]:
        """Give the rows as the source has them."""

    def get_shape(self) -> Shape:
        """Give the vendor's words as this account wants them."""
        return self.shape

    def read_rows(self, context: Context) -> Iterable[Any]:
        """Give the rows in the API's own shape."""
        from airflow_provider.engagement.bulk.mapper import Mapper

        rows = self.open_source(context)
        return rows if self.mapping is None else Mapper(self.mapping, self.kinds[self.target], self.get_shape())(rows)

    def describe_mapping(self) -> str:
        """Say what the rows go through, as stable text."""
        return f"{super().describe_mapping()}; {'none' if self.mapping is None else self.mapping.describe()}"


class SqlToRowsOperator(TransferOperator):
    """Base of the transfers from a database.

    The query is streamed and its connection closed before anything is sent. Order it by the key: rows of one user then stand together
    (see `RowMapping`), and a plan that has to be made anew after a crash is the same as before. With PostgreSQL the result stays on
    the server; other drivers may hold it in memory unless their connection asks for a cursor of the server (MySQL: the extra `cursor`
    is `sscursor`).

    Args:
        sql: one query, or the path of a `.sql` file; a template, so that it can ask for the run's data interval.
        parameters: the query's parameters, as the database's driver takes them; templates, too.
        sql_conn_id: id of a connection of any SQL database.
        fetch_size: rows fetched at once.
        **kwargs: as for `TransferOperator`.
    """

    template_fields: Sequence[str] = ("sql", "parameters", "sql_conn_id", *BulkOperator.template_fields)
    template_fields_renderers = {"sql": "sql", "parameters": "json"}  # noqa: RUF012
    template_ext: Sequence[str] = (".sql",)

    def __init__(
        self,
        *,
        sql: str,
        sql_conn_id: str,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        fetch_size: int = 2000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.parameters = parameters
        self.fetch_size = fetch_size

    def open_source(self, context: Context) -> Iterable[Any]:
        """Run the query."""
        from airflow_provider.engagement.bulk.sql import find_sql_hook, read_query

        rows = read_query(find_sql_hook(self.sql_conn_id), self.sql, self.parameters, fetch_size=self.fetch_size)
        first = next(iter(rows), None)
        if first is None:
            self._warn_of_empty_interval(context)
            return ()
        return chain((first,), rows)

    def _warn_of_empty_interval(self, context: Context) -> None:
        start = context.get("data_interval_start")
        if start is not None and start == context.get("data_interval_end"):
            log.warning(
                "The query gave no rows, and this run's data interval is empty (%s): in Airflow 3 a cron text as schedule has none. "
                "If the query asks for it, schedule the DAG by CronDataIntervalTimetable or DeltaDataIntervalTimetable",
                start,
            )


class ObjectStorageToRowsOperator(TransferOperator):
    """Base of the transfers from files on any object storage.

    To replay what an earlier task rejected, give its `rejects_path` as `path`, `file_format="rejects"` and the same `mapping`: rows that
    were invalid go through it again, rows that were refused have the API's own shape already. In the rejects of a database or of Parquet
    dates are text: name their columns in `data_types`.

    Args:
        path: a file, a folder (all files below it but those whose name begins with `.` or `_`), or a glob; a URL or a local path.
        file_format: `csv`, `jsonl`, `parquet` or `rejects`; None to tell it from each file's name, packed or not (`.csv.gz`).
        source_conn_id: the connection for the storage of `path`; by default the same as `storage_conn_id`.
        delimiter: CSV: between the fields; by default a comma, a tab in `.tsv` files.
        encoding: CSV: of the text.
        empty_as_null: CSV: an empty field is null and not empty text.
        include: rejects: which kinds are read. Rows `in_doubt` may have been processed; to replay them could double them.
        allow_missing: no file at all means no rows, and is no error.
        **kwargs: as for `TransferOperator`.
    """

    template_fields: Sequence[str] = ("path", "file_format", "source_conn_id", "include", "allow_missing", *BulkOperator.template_fields)

    def __init__(
        self,
        *,
        path: str,
        file_format: str | None = None,
        source_conn_id: str | None = None,
        delimiter: str | None = None,
        encoding: str = "utf-8",
        empty_as_null: bool = False,
        include: Sequence[str] | str = ("refused", "invalid"),
        allow_missing: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.file_format = file_format
        self.source_conn_id = source_conn_id
        self.delimiter = delimiter
        self.encoding = encoding
        self.empty_as_null = empty_as_null
        self.include = include
        self.allow_missing = allow_missing

    def open_source(self, context: Context) -> Iterable[Any]:
        """Look for the files when the first row is wanted."""
        from airflow_provider.engagement.bulk.files import Files

        return Files(
            path=self.path,
            storage_conn_id=self.source_conn_id or self.storage_conn_id or None,
            file_format=self.file_format or None,
            delimiter=self.delimiter,
            encoding=self.encoding,
            empty_as_null=self.empty_as_null,
            include=rendered_texts("include", self.include) or (),
            allow_missing=bool(rendered_boolean("allow_missing", self.allow_missing)),
        ).read()
