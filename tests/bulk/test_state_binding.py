"""What makes fingerprints worthless, what is kept then, and what a retry makes of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.state_world import WORLDS, World, each_world, fingerprint

OLD, NEW = fingerprint("old"), fingerprint("new")
world = pytest.fixture(params=WORLDS)(each_world)


@pytest.mark.parametrize(
    ("how", "notice"),
    [
        ({"mapping": "key email"}, "mapping changed"),
        ({"mode": "upsert"}, "mode changed"),
        ({"mode": "upsert", "mapping": "", "preflight": "v2"}, "mapping changed; mode changed; preflight changed"),
        ({"full_refresh": True}, "full_refresh is set"),
        ({"max_age": timedelta(hours=23)}, "everything was last sent on 2026-03-01 12:00 UTC, longer ago than max_state_age 23:00:00"),
    ],
)
def test_everything_is_sent_again_and_the_keys_stay_known(world: World, how: dict[str, Any], notice: str) -> None:
    world.send("monday", {"ada": OLD, "bob": OLD})
    world.clock.move(days=1)
    with world.open("tuesday", **how) as state:
        assert (state.notice, state.first, state.known()) == (notice, False, 2)
        assert [state.fingerprint(key) for key in ("ada", "eve")] == [b"", None]
        state.present("ada")
        assert list(state.missing()) == ["bob"]
        state.plan("ada", NEW)
        state.begin()
        assert world.recorded() == {"ada": b"", "bob": b""}
        state.sent("ada", NEW)
    assert world.recorded() == {"ada": NEW, "bob": b""}
    with world.open("wednesday", **{**how, "full_refresh": False}) as state:
        assert (state.notice, state.fingerprint("ada"), state.fingerprint("bob")) == (None, NEW, b"")


@pytest.mark.parametrize(
    ("binding", "notice"),
    [
        (
            {"destination": "userflow_eu at https://api.eu.userflow.com", "mapping": "another"},
            "destination changed from userflow_default at https://api.userflow.com to userflow_eu at https://api.eu.userflow.com",
        ),
        ({"what": "groups"}, "what changed from users to groups"),
    ],
)
def test_keys_of_another_account_or_kind_are_forgotten(world: World, binding: dict[str, str], notice: str) -> None:
    world.send("monday", {"ada": OLD})
    with world.open("tuesday", **binding) as state:
        assert (state.notice, state.first, state.known(), list(state.missing())) == (notice, True, 0, [])
        assert state.fingerprint("ada") is None
        state.plan("bob", NEW)
        state.begin()
        state.sent("bob", NEW)
    assert world.recorded() == {"bob": NEW}
    assert len(world.names()) == 2


def test_an_age_that_is_not_reached_discards_nothing(tmp_path: Path) -> None:
    world = World(str(tmp_path))
    world.send("monday", {"ada": OLD})
    world.clock.move(days=1)
    with world.open("tuesday", max_age=timedelta(days=1)) as state:
        assert (state.notice, state.fingerprint("ada")) == (None, OLD)


def test_the_age_counts_from_the_last_full_refresh_and_not_from_the_last_run(tmp_path: Path) -> None:
    world = World(str(tmp_path))
    week = timedelta(days=7)
    notices = []
    for day in range(18):
        with world.open(f"day {day}", max_age=week) as state:
            notices.append(state.notice is not None)
            state.begin()
            state.sent("ada", fingerprint(day))
        world.clock.move(days=1)
    assert [day for day, noticed in enumerate(notices) if noticed] == [8, 16]


def test_a_retry_does_not_begin_its_full_refresh_anew_but_a_cleared_task_does(world: World) -> None:
    world.send("monday", {"ada": OLD, "bob": OLD})
    state = world.open("tuesday", full_refresh=True)
    state.begin()
    state.sent("ada", NEW)
    state.close(release=False)
    with world.open("tuesday", full_refresh=True) as retry:
        assert (retry.notice, retry.fingerprint("ada"), retry.fingerprint("bob")) == (None, NEW, b"")
    with world.open("tuesday", full_refresh=True) as cleared:
        assert (cleared.notice, cleared.fingerprint("ada")) == ("full_refresh is set", b"")


def test_a_retry_of_a_try_that_died_before_it_sent_begins_its_full_refresh(world: World) -> None:
    world.send("monday", {"ada": OLD})
    world.open("tuesday", full_refresh=True).plan("ada", NEW)
    with world.open("tuesday", full_refresh=True) as retry:
        assert (retry.notice, retry.fingerprint("ada")) == ("full_refresh is set", b"")
