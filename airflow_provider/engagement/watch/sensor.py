"""The sensor base: one condition, waited for by poking, rescheduling or deferring."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException, AirflowTaskTimeout

from airflow_provider.engagement.base import failing_fast, rendered_texts
from airflow_provider.engagement.watch.condition import Condition, Done, Failed, counts_of
from airflow_provider.engagement.watch.poll import poll
from airflow_provider.engagement.watch.trigger import WatchTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider.engagement.base import EngagementHook

N = TypeVar("N", int, float)

GRACE_SECONDS = 60.0
"""How much later than the trigger's own deadline Airflow's deferral timeout strikes; it is there for a trigger that is gone."""


class Waited(Protocol):
    """What a sensor waits for, as checked values."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON values, for a trigger's arguments."""


class WatchSensor(BaseSensorOperator):
    """Wait until a condition holds; the sensors of all vendors derive from it.

    Args:
        deferrable: wait in the triggerer, without a worker slot and without a request on the worker; by default what
            `[operators] default_deferrable` says.
        max_consecutive_failures: failed polls in a row that a deferred sensor survives.
        **kwargs: as for every sensor: `poke_interval`, `timeout`, `mode`, `soft_fail`, …

    Attributes:
        trigger_class: the vendor's trigger, which also says how to look.
    """

    ui_color = "#e8f5e9"
    trigger_class: ClassVar[type[WatchTrigger]]

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_consecutive_failures: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.max_consecutive_failures = max_consecutive_failures

    @property
    @abstractmethod
    def hook(self) -> EngagementHook:
        """The vendor's hook."""

    @abstractmethod
    def make_condition(self) -> Waited:
        """Make the condition of the rendered arguments.

        Raises:
            ValueError: they contradict each other or are unusable.
            TypeError: likewise.
        """

    def condition(self) -> Waited:
        """Make the condition of the rendered arguments.

        Raises:
            AirflowFailException: they contradict each other or are unusable; a retry would not mend that.
        """
        try:
            return self.make_condition()
        except (ValueError, TypeError) as error:
            raise AirflowFailException(f"{type(self).__name__}: {error}") from error

    def execute(self, context: Context) -> Any:
        """Wait, or hand the waiting to the triggerer."""
        condition = self.condition()
        if not self.deferrable:
            return super().execute(context)
        seconds = self._patience()
        self.defer(
            trigger=self.trigger_class(
                condition=condition.to_dict(),
                poke_interval=self.poke_interval,
                deadline=datetime.now(UTC).timestamp() + seconds,
                max_consecutive_failures=self.max_consecutive_failures,
                **{self.trigger_class.conn_id_name: self.hook.conn_id},
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=seconds + GRACE_SECONDS),
        )
        return None

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once.

        Raises:
            AirflowFailException: the server gave a final no, or the condition can never hold.
        """
        condition = self.condition()
        with failing_fast():
            verdict = poll(self.hook.get_conn(), self.trigger_class.ask(condition.to_dict()))
        if isinstance(verdict, Failed):
            raise AirflowFailException(verdict.reason)
        self.log.info("%s: %s", type(verdict).__name__, counts_of(verdict.detail))
        return PokeReturnValue(is_done=isinstance(verdict, Done), xcom_value=dict(verdict.detail))

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """End the way the trigger's event says.

        Raises:
            AirflowSensorTimeout: `timeout` passed; not retried.
            AirflowTaskTimeout: `execution_timeout`, the shorter of the two, passed.
            AirflowFailException: the server gave a final no, or the event is none of this sensor's.
            AirflowSkipException: any of these, with `soft_fail` or `never_fail`.
        """
        status = (event or {}).get("status")
        if event is not None and status == "done":
            self.log.info("Done: %s", counts_of(event["detail"]))
            return self.complete(event["detail"])
        error: BaseException
        if status == "timeout":
            said = f"the condition did not hold within {self._patience():g} s"
            error = AirflowTaskTimeout(said) if self._patience() < self.timeout else AirflowSensorTimeout(said)
        elif event is not None and status == "failed":
            error = AirflowFailException(event["reason"])
        else:
            error = AirflowFailException(f"unknown trigger event {status!r}; do worker and triggerer run the same version of this package?")
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(f"skipped instead of failed: {error}") from error
        raise error

    def complete(self, detail: dict[str, Any]) -> dict[str, Any]:
        """Add to the trigger's result what the sensor was asked for beside it."""
        return detail

    def _patience(self) -> float:
        """Seconds to wait at the most: Airflow enforces neither `timeout` nor `execution_timeout` on a deferred task."""
        limit = self.execution_timeout.total_seconds() if self.execution_timeout else None
        return float(self.timeout) if limit is None else min(float(self.timeout), limit)


class ContentSessionSensor(WatchSensor):
    """Wait until content sessions are completed; each vendor's sensor derives from it.

    Args:
        session_id: wait for this session alone.
        content_id: wait for sessions of this flow, checklist, launcher or survey.
        user_ids: the cohort: only these users count, and every one of them must have completed it unless `min_completed` or
            `min_completion_rate` is given. A list, one id, or an upstream task's output.
        group_id: only sessions started under this group (company) count.
        min_completed: at least so many users must have completed it; 1 where nothing else is asked for.
        min_completion_rate: at least this share (above 0, at most 1) must have completed it: of `user_ids`, or else of the users who
            began it.
        since: only sessions created at or after this moment count: a datetime with a time zone, or ISO 8601 text.
        include_previews: count team members' previews of drafts too.
        fail_if_user_deleted: fail without a retry when so many of `user_ids` do not exist that it can never hold. Those without a session
            are looked up, at most ten a poll.
        fail_if_unpublished: fail without a retry when the content is not published or was deleted; a request more a poll.
        include_answers: return the survey answers of the sessions too. They become an XCom, and may be personal data.
        **kwargs: as for every sensor: `deferrable`, `max_consecutive_failures` (failed polls in a row that a deferred sensor
            survives), `poke_interval`, `timeout`, `mode`, `soft_fail`, …

    Returns:
        Counts (`completed`, `users` who began it, `sessions`, and `wanted` for `user_ids`); `session_ids` of the sessions that were
        completed, of each user the first, and when they were in `completed_at`; `answers` if asked for, by session id. Of more than 1,000
        sessions the rest is only counted, as `session_ids_left_out`.
    """

    template_fields: Sequence[str] = (
        "session_id",
        "content_id",
        "user_ids",
        "group_id",
        "min_completed",
        "min_completion_rate",
        "since",
    )

    def __init__(
        self,
        *,
        session_id: str | None = None,
        content_id: str | None = None,
        user_ids: Sequence[str] | XComArg | str | None = None,
        group_id: str | None = None,
        min_completed: int | str | None = None,
        min_completion_rate: float | str | None = None,
        since: datetime | XComArg | str | None = None,
        include_previews: bool = False,
        fail_if_user_deleted: bool = False,
        fail_if_unpublished: bool = False,
        include_answers: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.session_id = session_id
        self.content_id = content_id
        self.user_ids = user_ids
        self.group_id = group_id
        self.min_completed = min_completed
        self.min_completion_rate = min_completion_rate
        self.since = since
        self.include_previews = include_previews
        self.fail_if_user_deleted = fail_if_user_deleted
        self.fail_if_unpublished = fail_if_unpublished
        self.include_answers = include_answers

    def complete(self, detail: dict[str, Any]) -> dict[str, Any]:
        """Add the survey answers, if they are wanted; they do not come by the trigger, whose events are logged."""
        if not self.include_answers:
            return detail
        with failing_fast():
            return poll(self.hook.get_conn(), self.trigger_class.enrich(self.condition().to_dict(), detail))

    def make_condition(self) -> Condition:
        """Make the condition of the rendered arguments."""
        users = rendered_texts("user_ids", cast("Sequence[str] | str | None", self.user_ids))
        if users == ():  # what the list's maker meant cannot be "anybody"
            raise ValueError("user_ids is an empty list: there is nobody to wait for; skip the task then, or leave user_ids out")
        return Condition(
            session_id=self.session_id or None,
            content_id=self.content_id or None,
            user_ids=users or (),
            group_id=self.group_id or None,
            min_completed=number("min_completed", self.min_completed, int),
            min_completion_rate=number("min_completion_rate", self.min_completion_rate, float),
            since=self.since.isoformat() if isinstance(self.since, datetime) else cast("str", self.since) or None,
            include_previews=self.include_previews,
            fail_if_user_deleted=self.fail_if_user_deleted,
            fail_if_unpublished=self.fail_if_unpublished,
            include_answers=self.include_answers,
        )


def number(name: str, value: float | str | None, kind: Callable[[float | str], N]) -> N | None:
    """Read a number that a template may have rendered to text; None where there is none.

    Raises:
        ValueError: not a number, or not a whole one where `kind` is int; the message names it.
    """
    if value is None or value == "":
        return None
    try:
        found = kind(value)
    except (ValueError, TypeError, OverflowError):
        found = None
    if found is None or isinstance(value, bool) or (isinstance(value, float) and found != value):
        raise ValueError(f"{name} must be a {'whole ' if kind is int else ''}number, got {value!r}")
    return found
