"""The bases of all operators that write many rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator

from airflow_provider.engagement.base import failing_fast, rendered_boolean

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider.engagement.base import EngagementHook
    from airflow_provider.engagement.bulk.options import Options
    from airflow_provider.engagement.bulk.plan import Target
    from airflow_provider.engagement.bulk.rows import Rows


class BulkOperator(BaseOperator):
    """Base of the operators that write many rows: the source is read once and planned, then sent concurrently, at the pace.

    An unusable row, or one that the server refuses, does not stop the others; the task fails after all were tried if there are
    more such rows than `max_rejects`. A task that was killed goes on where it was when Airflow retries it (Airflow 3.3).

    Args:
        mode: `upsert`; `update_only` to leave alone what the vendor does not have (a key the state does not know costs one
            read); `mirror` to delete, too, what this state recorded as sent and the source has no longer.
        delivery: `at_least_once` or `at_most_once`: what becomes of a row that may have been processed and must not be sent
            twice (an event, an `add` or `subtract`) when its answer is lost or the task is killed. At most once it is reported in
            doubt, at least once it is sent again. None: at most once where there are such rows.
        duplicates: rows of one key are sent `in_order`, or all but the first are refused with `refuse`.
        state_path: a folder on object storage for the fingerprints of what was sent, so that only what changed is sent; None to
            send everything.
        full_refresh: send everything, whatever the state says.
        max_state_age: send everything when the last time everything was sent is longer ago.
        max_delete_fraction: part of the known keys, 0 to 1, that a mirror may delete in one run.
        rejects_path: a folder on object storage for the rows that were unusable, refused or are in doubt, as JSON Lines.
        max_rejects: how many such rows do not fail the task: a number, or a part of the rows below 1.
        work_path: a folder on object storage for the plan, so that a retry on another worker goes on; None for the worker's disk.
        storage_conn_id: the connection for the object storage; None for the environment's credentials.
        preflight: read the attribute definitions first, and refuse values of a type that the vendor would refuse or drop.
        plan_only: a dry run: plan and report, but send and keep nothing.
        timezone: IANA name; the zone of datetimes without one, which are refused otherwise.
        **kwargs: the vendor's connection, and as for every operator.

    Attributes:
        what: what the rows are, in the plural.
        keyed: whether rows have a key; without one, there is no mode, state or duplicates.

    Returns:
        Counts, never rows (see `airflow_provider.engagement.bulk.report.make_report`).

    Raises:
        AirflowFailException: more rows than allowed did not make it (the first ten reasons are in the message), or an argument
            is unusable.
    """

    template_fields: Sequence[str] = (
        "timezone",
        "mode",
        "delivery",
        "state_path",
        "full_refresh",
        "rejects_path",
        "work_path",
        "plan_only",
    )
    what = "rows"
    keyed = True

    def __init__(
        self,
        *,
        mode: str = "upsert",
        delivery: str | None = None,
        duplicates: str = "in_order",
        state_path: str | None = None,
        full_refresh: bool | str = False,
        max_state_age: timedelta | None = None,
        max_delete_fraction: float = 0.1,
        rejects_path: str | None = None,
        max_rejects: int | float = 0,
        work_path: str | None = None,
        storage_conn_id: str | None = None,
        preflight: bool = True,
        plan_only: bool | str = False,
        timezone: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mode = mode
        self.delivery = delivery
        self.duplicates = duplicates
        self.state_path = state_path
        self.full_refresh = full_refresh
        self.max_state_age = max_state_age
        self.max_delete_fraction = max_delete_fraction
        self.rejects_path = rejects_path
        self.max_rejects = max_rejects
        self.work_path = work_path
        self.storage_conn_id = storage_conn_id
        self.preflight = preflight
        self.plan_only = plan_only
        self.timezone = timezone

    @property
    @abstractmethod
    def hook(self) -> EngagementHook:
        """The vendor's hook."""

    @abstractmethod
    def make_target(self) -> Target:
        """Say where the rows go, and what one becomes."""

    @abstractmethod
    def read_rows(self, context: Context) -> Iterable[Any]:
        """Open the source."""

    def describe_mapping(self) -> str:
        """Say what the rows go through before they have the API's own shape, as stable text."""
        return f"timezone {self.timezone or 'none'}"

    def make_options(self) -> Options:
        """Check the arguments, after rendering.

        Raises:
            ValueError: an argument is unusable (`TypeError` likewise).
        """
        from airflow_provider.engagement.bulk.options import Options

        options = Options(
            mode=self.mode,
            delivery=self.delivery or None,
            duplicates=self.duplicates,
            state_path=self.state_path or None,
            full_refresh=bool(rendered_boolean("full_refresh", self.full_refresh)),
            max_state_age=self.max_state_age,
            max_delete_fraction=self.max_delete_fraction,
            rejects_path=self.rejects_path or None,
            max_rejects=self.max_rejects,
            work_path=self.work_path or None,
            storage_conn_id=self.storage_conn_id,
            plan_only=bool(rendered_boolean("plan_only", self.plan_only)),
        )
        if not self.keyed:
            options.check_keyless(self.what)
        return options

    def execute(self, context: Context) -> dict[str, Any]:
        """Plan and send the rows."""
        from airflow_provider.engagement.bulk.task import run_rows

        with failing_fast():
            options = self.make_options()
            target = self.make_target()
            return run_rows(self.hook, lambda: self.read_rows(context), target, options, context, mapping=self.describe_mapping())


class RowsOperator(BulkOperator):
    """Base of the operators whose rows come from upstream tasks or from Python.

    Args:
        rows: dicts in the API's own shape: a list, an upstream task's output (also a mapped one's: lists are joined), any
            iterable, or a callable that gives one, which Airflow calls in the task with `context` and `jinja_env`.
        **kwargs: as for `BulkOperator`.
    """

    template_fields: Sequence[str] = ("rows", *BulkOperator.template_fields)
    template_fields_renderers = {"rows": "json"}  # noqa: RUF012

    def __init__(self, *, rows: Rows | XComArg | Callable[..., Rows], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows = rows

    def _do_render_template_fields(self, parent: Any, *arguments: Any, **named: Any) -> None:
        # The step of rendering that mapped tasks go through, too. Airflow keeps and shows what a templated field was rendered to;
        # rows may be personal data, and are many.
        super()._do_render_template_fields(parent, *arguments, **named)
        if parent is self:
            from airflow_provider.engagement.bulk.rows import UnshownRows

            self.rows = UnshownRows(self.rows)

    def read_rows(self, context: Context) -> Iterable[Any]:
        """Give the rows one by one."""
        from airflow_provider.engagement.bulk.rows import iterate_rows

        return iterate_rows(cast("Rows", self.rows))
