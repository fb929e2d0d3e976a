"""The code of docs/how-to/react-to-completions.md that is not the example's."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow.triggers import UserflowContentSessionEventTrigger


async def first_event(trigger: UserflowContentSessionEventTrigger) -> Any:
    async with aclosing(trigger.run()) as events:  # type: ignore[type-var]
        return await anext(events)


def test_what_an_event_tells(userflow: EmulatorServer) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    moments = [(now - timedelta(minutes=minutes)).isoformat(timespec="milliseconds") for minutes in (12, 9, 3)]
    userflow.userflow.seed(
        {
            "users": [{"id": user} for user in ("ada", "bob", "cy")],
            "content": [{"id": "onboarding-flow", "type": "flow"}],
            "content_sessions": [
                {"content_id": "onboarding-flow", "user_id": user, "created_at": moments[0], "completed_at": at}
                for user, at in zip(("ada", "bob", "cy"), moments, strict=True)
            ],
        }
    )
    trigger = UserflowContentSessionEventTrigger(content_id="onboarding-flow", poke_interval=10)

    event = asyncio.run(first_event(trigger)).payload

    since = event["since"]
    until = moments[-1].replace(".000", "")
    # [start event]
    assert event == {
        "content_id": "onboarding-flow",
        "group_id": None,
        "include_previews": False,
        "completed": 3,
        "since": since,  # where the event before ended
        "until": until,  # the latest completion
    }
    # [end event]
    assert datetime.fromisoformat(since) < now - timedelta(minutes=12)
