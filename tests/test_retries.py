"""When a task is to be retried: judged by the errors of this provider, wherever in the chain of causes they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import airflow
import pytest
from airflow.sdk import BaseOperator
from packaging.version import Version

from airflow_provider.engagement.bulk.lease import LeaseHeld, Owner
from airflow_provider.engagement.bulk.task import SendingStopped
from airflow_provider.engagement.retries import judge, retry_policy
from airflow_provider.engagement.wire.errors import ApiError, Invalid, RateLimited, ServerFailed, Unauthorized, Unreachable
from airflow_provider.engagement.wire.message import Request

HAS_POLICIES = Version(airflow.__version__) >= Version("3.3")
EVENT, USER = Request("POST", "/events", (), b"{}", repeatable=False), Request("POST", "/users", (), b"{}", repeatable=True)


def caused(error: Exception, by: BaseException) -> Exception:
    error.__cause__ = by
    return error


@pytest.mark.parametrize("error", [Unauthorized("no", request=USER), Invalid("no", request=EVENT, not_processed=True)])
def test_a_final_no_is_not_retried(error: ApiError) -> None:
    for raised in (error, caused(RuntimeError("my task"), error)):
        assert judge(raised) == (f"{type(error).__name__}: a retry would get the same answer", None)


def test_a_call_in_doubt_is_not_retried() -> None:
    assert judge(Unreachable("lost", request=EVENT)) == ("Unreachable: a retry could do it twice", None)
    assert judge(ServerFailed("down", request=EVENT, retry_after=5.0)) == ("ServerFailed: a retry could do it twice", None)


def test_it_waits_as_long_as_the_server_said() -> None:
    limited = RateLimited("slow down", request=EVENT, not_processed=True, retry_after=90.0)
    for raised in (limited, caused(KeyError("mine"), limited), SendingStopped("stopped", 90.0)):
        judged = judge(raised)
        assert judged is not None
        assert judged[1] == timedelta(seconds=90)
        assert judged[0].endswith("asked to wait 90 s")


def test_it_does_not_wait_for_ever() -> None:
    judged = judge(RateLimited("slow down", request=USER, retry_after=86_400.0), timedelta(minutes=10))

    assert judged == ("RateLimited: asked to wait 600 s", timedelta(minutes=10))


def test_it_waits_for_the_end_of_a_lease() -> None:
    owner = Owner("dag", "run", "task")
    judged = judge(LeaseHeld("lease.json", owner, datetime.now(UTC) + timedelta(minutes=4)))
    over = judge(LeaseHeld("lease.json", owner, datetime.now(UTC) - timedelta(minutes=4)))

    assert judged is not None
    assert judged[1] is not None
    assert timedelta(minutes=3) < judged[1] <= timedelta(minutes=4)
    assert over == ("LeaseHeld: asked to wait 1 s", timedelta(seconds=1))


@pytest.mark.parametrize(
    "error",
    [ServerFailed("down", request=USER), Unreachable("lost", request=USER), SendingStopped("stopped"), OSError("disk"), KeyError(1)],
)
def test_all_else_is_left_to_the_task(error: Exception) -> None:
    assert judge(error) is None


def test_sending_that_stopped_goes_on_even_where_single_rows_are_in_doubt() -> None:
    doubtful = ServerFailed("down", request=EVENT)

    assert judge(caused(SendingStopped("ten rows in doubt in a row"), doubtful)) is None


def test_a_circle_of_causes_ends() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one

    assert judge(one) is None


def test_airflow_is_given_it_where_it_knows_such_things() -> None:
    given: dict[str, Any] = retry_policy(timedelta(minutes=10))

    assert set(given) == ({"retry_policy"} if HAS_POLICIES else set())
    assert BaseOperator(task_id="task", retries=1, **given).task_id == "task"


@pytest.mark.parametrize(
    ("error", "action", "delay"),
    [
        (Invalid("no", request=USER), "fail", None),
        (RateLimited("slow down", request=USER, retry_after=3600.0), "retry", timedelta(minutes=10)),
        (ServerFailed("down", request=USER), "default", None),
    ],
)
def test_the_policy_says_what_was_judged(error: ApiError, action: str, delay: timedelta | None) -> None:
    for policy in retry_policy(timedelta(minutes=10)).values():  # none before Airflow 3.3
        for same in (policy, type(policy).deserialize(policy.serialize())):
            decided = same.evaluate(error, 1, 3)
            assert (decided.action.value, decided.retry_delay) == (action, delay)
