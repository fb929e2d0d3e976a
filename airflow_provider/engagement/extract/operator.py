"""The bases of all transfers out of a vendor: choose windows, read them once, write them, tell Airflow."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Asset, BaseOperator

from airflow_provider.engagement.base import failing_fast, run_beside

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context

    from airflow_provider.engagement.base import EngagementHook
    from airflow_provider.engagement.extract.gather import Gathering
    from airflow_provider.engagement.extract.resource import Reading, Resource
    from airflow_provider.engagement.extract.window import Window
    from airflow_provider.engagement.wire.clients import AsyncClient


class ExtractOperator(BaseOperator):
    """Read a resource of a vendor: the objects of a half-open window, or all of them; the bases of the destinations derive from it.

    Args:
        resource: what is read; the vendor's operator lists the names.
        by: how: `created` (by creation, exact), `last_activity` (by last activity, where the vendor can) or `snapshot` (all there is
            now, whatever the run's interval); the default depends on the resource.
        start: first moment of the window, a datetime or ISO 8601 text with a time zone.
        end: first moment behind it; both, or neither for the run's data interval.
        lookback: so many windows before are read and written again, to catch what was completed or answered late.
        watermark: read from where the last run ended to the moment this run was due, for schedules without data intervals; `start`
            is then where the first run begins. The place is kept with the first asset of `outlets`, so there must be one, and the DAG
            should have `max_active_runs=1`.
        attributes: attributes of users, groups and memberships that get columns of their own, `attribute_<name>`, instead of one
            column of JSON: a list of names for columns of text, or a dict of types (`text`, `boolean`, `integer`, `decimal`, `moment`,
            `json`) by name.
        **kwargs: as for every operator. Assets among `outlets` get window and counts into their events.

    Attributes:
        scheme: the scheme of the vendor's assets.

    Raises:
        AirflowFailException: unusable arguments, a run without a data interval, or a final no from the server.
        AirflowSkipException: with `watermark`, all up to this run has been read by others.
        ApiError: a temporary failure; nothing was written.
    """

    template_fields: Sequence[str] = ("resource", "by", "start", "end")
    ui_color = "#fff8e1"
    scheme: ClassVar[str]

    def __init__(
        self,
        *,
        resource: str = "content_sessions",
        by: str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        lookback: int = 0,
        watermark: bool = False,
        attributes: Mapping[str, Any] | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(lookback, bool) or not isinstance(lookback, int) or lookback < 0:
            raise ValueError(f"lookback must be a number of windows, 0 or more, got {lookback!r}")
        if watermark and lookback:
            raise ValueError("lookback goes back by data intervals, which a run by watermark=True has not; read by last activity instead")
        if watermark and self._place() is None:
            raise ValueError(
                f'watermark=True keeps its place with an asset: give outlets=[Asset("{self.scheme}://<connection id>/{resource}")]'
            )
        self.resource = resource
        self.by = by
        self.start = start
        self.end = end
        self.lookback = lookback
        self.watermark = watermark
        self.attributes = attributes

    # --- what the vendor says ----------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def hook(self) -> EngagementHook:
        """The vendor's hook."""

    @abstractmethod
    def known_resources(self) -> Mapping[str, Resource]:
        """The vendor's resources by name."""

    @abstractmethod
    async def gather(self, client: AsyncClient, reading: Reading, gathering: Gathering) -> None:
        """Read."""

    def prepare(self, reading: Reading) -> None:
        """Check what can be checked before anything is read; nothing by default.

        Raises:
            ValueError: an argument is unusable.
        """

    def restriction(self) -> Sequence[str] | None:
        """The contents that reading is restricted to; None where it is not."""
        return None

    def as_moment(self, name: str, value: datetime | str | None) -> datetime | str | None:
        """Take `start` and `end` as they were given; a vendor may take more than datetimes."""
        return value

    # --- what the destination says -----------------------------------------------------------------------------------

    @abstractmethod
    def check(self, reading: Reading) -> None:
        """Check the destination's arguments before anything is read.

        Raises:
            ValueError: one is unusable.
        """

    @abstractmethod
    def write(self, reading: Reading, gathering: Gathering) -> dict[str, Any]:
        """Write what was gathered; answers where, for the task's result."""

    # --- one run -----------------------------------------------------------------------------------------------------

    def plan(self, context: Context) -> Reading:
        """Choose what is read, and how.

        Raises:
            ValueError: an argument is unusable, or the run has no window; the message says the remedy.
        """
        from airflow_provider.engagement.extract.resource import SNAPSHOT, Reading, choose_resource
        from airflow_provider.engagement.extract.window import windows_before

        resource = choose_resource(self.known_resources(), self.resource)
        if self.attributes is not None:
            resource = resource.with_attributes(self.attributes)
        by = resource.choose_way(self.by)
        if by == SNAPSHOT:
            if self.start or self.end or self.lookback or self.watermark:
                others = [way for way in resource.ways if way != SNAPSHOT]
                remedy = f"; read it by {' or '.join(map(repr, others))} to have a window" if others else ""
                raise ValueError(f"{resource.name} is read completely, so start, end, lookback and watermark mean nothing here{remedy}")
            return Reading(resource, by)
        window = self.choose_window(context)
        timetable = None if self.start else self._timetable(context)
        return Reading(resource, by, (*windows_before(window, self.lookback, timetable), window))

    def choose_window(self, context: Context) -> Window:
        """Take the window from the arguments, from the watermark, or else from the run's data interval.

        Raises:
            ValueError: it is empty, or there is none.
        """
        from airflow_provider.engagement.extract.window import choose_window

        start, end = self.as_moment("start", self.start), self.as_moment("end", self.end)
        if (place := self._place()) is None or not self.watermark:
            return choose_window(start, end, dict(context))
        from airflow_provider.engagement.extract.watermark import next_window

        if end:
            raise ValueError("a run by watermark=True ends where it was due: leave out end=, or watermark")
        return next_window(context, place, start)

    def execute(self, context: Context) -> dict[str, Any]:
        """Read and write.

        Returns:
            Where it was written; `start` and `end` of the run's own window; counts of what is in all windows; `requests`.
        """
        from airflow_provider.engagement.extract.gather import Gathering
        from airflow_provider.engagement.extract.lineage import tell_events, tell_source

        with failing_fast(), Gathering() as gathering:
            reading = self.plan(context)
            self.check(reading)
            self.prepare(reading)
            client = self.hook.get_async_client()
            run_beside(self._read(client, reading, gathering))
            written = self.write(reading, gathering)
            counts = dict(zip(reading.resource.counts, gathering.counts(reading.window), strict=False))
        own = reading.windows[-1:]
        told = {**{name: moment.isoformat() for window in own for name, moment in (("start", window.start), ("end", window.end))}, **counts}
        if self.watermark and (place := self._place()) is not None:
            from airflow_provider.engagement.extract.watermark import remember

            remember(context, place, reading.windows[-1])
        tell_source(self.hook, self.scheme, reading.resource.name)
        kept = {"watermark": True} if self.watermark else {}
        tell_events(context, self.outlets, {"resource": reading.resource.name, "by": reading.by, **told, **kept})
        self.log.info(
            "Read %s of %s (%s) in %d requests and wrote them to %s",
            ", ".join(f"{count} {name}" for name, count in counts.items()),
            reading.window.label if reading.window else "all there is",
            reading.by,
            client.requests_sent,
            written.get("path") or written["table"],
        )
        return {**written, **told, "requests": client.requests_sent}

    async def _read(self, client: AsyncClient, reading: Reading, gathering: Gathering) -> None:
        async with client:
            await self.gather(client, reading, gathering)

    def _place(self) -> Asset | None:
        return next((outlet for outlet in self.outlets if isinstance(outlet, Asset)), None)

    def _timetable(self, context: Context) -> Any:
        if not self.lookback:
            return None
        from airflow.serialization.encoders import coerce_to_core_timetable

        dag: Any = dict(context).get("dag")
        return None if dag is None else coerce_to_core_timetable(dag.timetable)


class ToObjectStorageOperator(ExtractOperator):
    """Bring a resource to files on any object storage: one file per window, written whole or not at all.

    JSON Lines hold an object per line as the server gives it, in order of id. With `tables=True`, and in Parquet always, the files
    hold rows of the resource's documented tables instead, in order of their keys, and children (answers, questions, tasks) have files
    of their own. The same objects give the same bytes.

    Args:
        path: a file ending in `.jsonl`, `.jsonl.gz` or `.parquet`, or a folder, where each window gets a file of its own.
        file_format: `jsonl` or `parquet` (needs the extra `parquet`); by the path's ending, or else `jsonl`.
        tables: write rows of tables in JSON Lines too.
        storage_conn_id: the connection for the storage; the environment's credentials if None.
        **kwargs: see `ExtractOperator`.

    Returns:
        `path` (of the run's own window and the resource's own table), `paths` (all files that were written), `start` and `end` (not of
        a snapshot), counts (for sessions `sessions`, `completed` and `answers`), and `requests`.
    """

    template_fields: Sequence[str] = (*ExtractOperator.template_fields, "path", "storage_conn_id")

    def __init__(
        self,
        *,
        path: str,
        file_format: str | None = None,
        tables: bool = False,
        storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.file_format = file_format
        self.tables = tables
        self.storage_conn_id = storage_conn_id

    def check(self, reading: Reading) -> None:
        """Check format and path."""
        from airflow_provider.engagement.extract.files import choose_format, ending

        choose_format(self.path, self.file_format)
        if len(reading.windows) > 1 and ending(self.path):
            raise ValueError(f"lookback writes a file per window, but path names one file ({ending(self.path)}); give a folder")

    def write(self, reading: Reading, gathering: Gathering) -> dict[str, Any]:
        """Write a file per window, or several where children have their own."""
        from airflow_provider.engagement.extract.lineage import tell_file

        paths = [path for window in reading.windows or (None,) for path in self._write(reading, window, gathering)]
        for path in paths:
            tell_file(self.hook, path)
        own = len(paths) // max(1, len(reading.windows))
        return {"path": paths[-own], "paths": paths}

    def _write(self, reading: Reading, window: Window | None, gathering: Gathering) -> list[str]:
        from airflow_provider.engagement.extract.files import PARQUET, beside, build, choose_format, ending, file_name
        from airflow_provider.engagement.storage import put

        file_format = choose_format(self.path, self.file_format)
        destination = file_name(self.path, reading.resource.name, window, file_format)
        local = gathering.folder / "out"
        if not self.tables and file_format != PARQUET:
            build(gathering.bodies(window), local, compress=destination.endswith(".gz"))
            put(local, destination, self.storage_conn_id or None)
            return [destination]
        destinations = [destination]
        for table in reading.resource.tables[1:]:
            single = beside(destination, table.name) if ending(self.path) else file_name(self.path, table.name, window, file_format)
            destinations.append(single)
        locals_ = self._write_rows(reading, window, gathering, destinations)
        for made, wanted in reversed(list(zip(locals_, destinations, strict=True))):  # who sees the first file finds the others too
            put(made, wanted, self.storage_conn_id or None)
        return destinations

    def _write_rows(self, reading: Reading, window: Window | None, gathering: Gathering, destinations: list[str]) -> list[Path]:
        from airflow_provider.engagement.extract.files import row_file
        from airflow_provider.engagement.extract.rows import pour

        made = [gathering.folder / f"out{number}" for number in range(len(destinations))]
        with ExitStack() as opened:
            sinks = [
                opened.enter_context(row_file(local, table, destination))
                for local, table, destination in zip(made, reading.resource.tables, destinations, strict=True)
            ]
            pour(gathering.bodies(window), reading.resource, sinks)
        return made


class ToSqlOperator(ExtractOperator):
    """Bring a resource to tables of a database (SQLite or PostgreSQL), one transaction per window.

    The tables are created where they are missing, children (answers, questions, tasks) have tables of their own, and rows are merged
    by their keys: read again, a window leaves the same rows. Rows of the window (of all, in a snapshot) that the server no longer has
    are deleted; by last activity none are, for a session that is missing there may only have moved on. So a table belongs to one
    task and its arguments: another account, or another choice among the same objects, wants another `table_prefix` or
    `delete_missing=False`.

    Args:
        sql_conn_id: the database's connection, of a type that Airflow's common SQL provider knows.
        schema: the tables' schema; it must exist. The connection's own by default.
        table_prefix: what the tables' names begin with; the vendor's name by default, as in `userflow_content_sessions`.
        delete_missing: delete rows that the server no longer has.
        **kwargs: see `ExtractOperator`.

    Returns:
        `table` (the resource's own), `rows` (how many rows were merged, by table), `start` and `end` (not of a snapshot), counts (for
        sessions `sessions`, `completed` and `answers`), and `requests`.
    """

    template_fields: Sequence[str] = (*ExtractOperator.template_fields, "sql_conn_id", "schema", "table_prefix")

    def __init__(
        self,
        *,
        sql_conn_id: str,
        schema: str | None = None,
        table_prefix: str | None = None,
        delete_missing: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql_conn_id = sql_conn_id
        self.schema = schema
        self.table_prefix = table_prefix
        self.delete_missing = delete_missing

    def check(self, reading: Reading) -> None:
        """Check the connection and the tables' names."""
        from airflow_provider.engagement.extract.database import Database

        self._database = Database.find(self.sql_conn_id, self.schema, self._prefix(), delete_missing=self.delete_missing)
        for table in reading.resource.tables:
            self._database.target.quoted(table)

    def write(self, reading: Reading, gathering: Gathering) -> dict[str, Any]:
        """Merge the windows, oldest first, each in a transaction."""
        from airflow_provider.engagement.extract.lineage import tell_table
        from airflow_provider.engagement.extract.merge import Merge, transaction
        from airflow_provider.engagement.extract.rows import pour

        target = self._database.target
        totals = {table.name: 0 for table in reading.resource.tables}
        for window in reading.windows or (None,):
            with transaction(self._database.connect, target, target.quoted(reading.resource.tables[0])) as cursor:
                merge = Merge(cursor, target, reading, window, self.restriction())
                counts = pour(gathering.bodies(window), reading.resource, merge.stages)
                merge.finish()
            totals = {name: total + counts[name] for name, total in totals.items()}
        for table in reading.resource.tables:
            tell_table(self._database.hook, self._database.connection, target.schema, target.plain(table))
        return {
            "table": ".".join(part for part in (target.schema, target.plain(reading.resource.tables[0])) if part),
            "rows": {target.plain(table): totals[table.name] for table in reading.resource.tables},
        }

    def _prefix(self) -> str:
        return f"{self.scheme}_" if self.table_prefix is None else self.table_prefix
