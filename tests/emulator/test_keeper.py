from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_provider.engagement.emulator.keeper import SqliteKeeper
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.emulator.state import Store


def test_a_file_keeps_documents_in_their_order(tmp_path: Path) -> None:
    keeper = SqliteKeeper(tmp_path / "state.db")
    things = Store(keeper).collection("things", ("color",))
    for key in ("b", "a", "c"):
        things.put({"id": key, "color": "red"})
    things.put({"id": "b", "color": "blue", "name": "Zoë"})
    things.delete("a")
    keeper.close()

    keeper = SqliteKeeper(tmp_path / "state.db")
    again = Store(keeper).collection("things", ("color",))
    assert again.values() == [{"id": "b", "color": "blue", "name": "Zoë"}, {"id": "c", "color": "red"}]
    assert [item["id"] for item in again.by("color", "red")] == ["c"]
    keeper.close()


def test_clearing_a_store_clears_its_file(tmp_path: Path) -> None:
    keeper = SqliteKeeper(tmp_path / "state.db")
    store = Store(keeper)
    store.collection("things").put({"id": "a"})
    store.clear()
    keeper.close()
    keeper = SqliteKeeper(tmp_path / "state.db")
    assert list(keeper.load()) == []
    keeper.close()


def test_an_account_goes_on_where_its_file_left_off(tmp_path: Path, restarted: type[Any]) -> None:
    keeper = SqliteKeeper(tmp_path / "state.db")
    first = restarted(Store(keeper))
    first.post("/users", {"id": "a", "attributes": {"plan": "Pro"}, "groups": [{"id": "g"}]})
    event = first.post("/events", {"name": "seen", "user_id": "a"})
    content = first.emulator.seed_content(questions=[{"name": "Why?"}])
    first.emulator.people.start(content["id"], delay=5, seconds_per_step=10, joining=True)
    first.clock.advance(6)
    first.post("/users", {"id": "b"})
    keeper.close()

    keeper = SqliteKeeper(tmp_path / "state.db")
    second = restarted(Store(keeper))
    assert second.get("/users/a?expand=groups")["groups"][0]["id"] == "g"
    assert second.get("/attribute_definitions?scope=user")["data"][0]["name"] == "plan"
    assert int(second.post("/events", {"name": "seen", "user_id": "a"})["id"]) > int(event["id"])
    second.clock.advance(6 + 5 + 30)
    sessions = second.get(f"/content_sessions?content_id={content['id']}&expand=answers")["data"]
    assert [(item["user_id"], item["completed"], len(item["answers"])) for item in sessions] == [("a", True, 1), ("b", True, 1)]
    keeper.close()


def test_a_served_emulator_writes_through(tmp_path: Path) -> None:
    with EmulatorServer(db=tmp_path / "state.db") as server:
        server.userflow.seed({"users": [{"id": "a"}]})
    with EmulatorServer(db=tmp_path / "state.db") as server:
        assert [user["id"] for user in server.userflow.objects.users.values()] == ["a"]
