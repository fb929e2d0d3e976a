"""The base of all operators of many rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator

from airflow_provider.engagement.base import failing_fast

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider.engagement.base import EngagementHook
    from airflow_provider.engagement.bulk.plan import MakeCall
    from airflow_provider.engagement.bulk.rows import Rows


class RowsOperator(BaseOperator):
    """Base of the operators of many rows: every row is checked before the first is sent, then they go concurrently, at the pace.

    Args:
        rows: dicts in the API's own shape: a list, an upstream task's output (also a mapped one's: lists are joined), any
            iterable, or a callable that gives one, which Airflow calls in the task with `context` and `jinja_env`.
        timezone: IANA name; the zone of datetimes without one, which are refused otherwise.
        **kwargs: the vendor's connection, and as for every operator.

    Attributes:
        what: what the rows are, in the plural.

    Returns:
        Counts, never rows: `read`, `planned`, `sent`, `rejected`, `in_doubt`, `unsent`, `retried`, `requests`, `waited_seconds`.

    Raises:
        AirflowFailException: rows are unusable (nothing was sent then), were refused, or are in doubt; the first ten reasons
            are in the message.
    """

    template_fields: Sequence[str] = ("rows", "timezone")
    template_fields_renderers = {"rows": "json"}  # noqa: RUF012
    what = "rows"

    def __init__(self, *, rows: Rows | XComArg | Callable[..., Rows], timezone: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows = rows
        self.timezone = timezone

    @property
    @abstractmethod
    def hook(self) -> EngagementHook:
        """The vendor's hook."""

    @abstractmethod
    def make_call(self) -> MakeCall:
        """Say what a row becomes."""

    def _do_render_template_fields(self, parent: Any, *arguments: Any, **named: Any) -> None:
        # The step of rendering that mapped tasks go through, too. Airflow keeps and shows what a templated field was rendered to;
        # rows may be personal data, and are many.
        super()._do_render_template_fields(parent, *arguments, **named)
        if parent is self:
            from airflow_provider.engagement.bulk.rows import UnshownRows

            self.rows = UnshownRows(self.rows)

    def execute(self, context: Context) -> dict[str, Any]:
        """Plan and send the rows."""
        from airflow_provider.engagement.bulk.task import run_rows

        with failing_fast():
            return run_rows(self.hook, cast("Rows", self.rows), self.make_call(), what=self.what)
