"""A client as others have published it: plain `requests`, and nothing of this package but the base URL it is given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests

from airflow_provider.engagement.emulator.server import EmulatorServer


class PublishedClient:
    """What scripts and connectors do: one header dict for all calls, full URLs, `raise_for_status`, and paging three ways."""

    def __init__(self, api_key: str, base_url: str = "https://api.userflow.com") -> None:
        self.base_url = base_url
        self.headers = {
            "Authorization": f"Bearer {api_key}",
            "Userflow-Version": "2020-01-03",
            "Content-Type": "application/json",
            "User-Agent": "tap-userflow/1.0",
        }

    def _call(self, method: str, url: str, **options: Any) -> Any:
        answer = requests.request(method, urljoin(self.base_url, url), headers=self.headers, timeout=10, **options)
        answer.raise_for_status()
        return answer.json()

    def identify(self, user_id: str, traits: dict[str, Any]) -> Any:
        return self._call("POST", "/users", json={"id": user_id, "attributes": traits})

    def group(self, user_id: str, group_id: str, role: str) -> Any:
        membership = {"attributes": {"role": role}, "group": {"id": group_id}}
        return self._call("POST", "/users", json={"id": user_id, "memberships": [membership]})

    def track(self, user_id: str, event: str, properties: dict[str, Any]) -> Any:
        return self._call("POST", "/events", json={"user_id": user_id, "name": event, "attributes": properties})

    def delete(self, user_id: str) -> Any:
        return self._call("DELETE", f"/users/{user_id}")

    def follow(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Follow `next_page_url` as it stands."""
        page = self._call("GET", path, params={"limit": 100, **params})
        yield from page["data"]
        while page["has_more"]:
            page = self._call("GET", page["next_page_url"])
            yield from page["data"]

    def tap(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Cut the cursor out of `next_page_url`, which begins with the limit and ends with the cursor."""
        params = {"limit": 100, **params}
        while True:
            page = self._call("GET", path, params=params)
            yield from page["data"]
            if not page["has_more"]:
                return
            assert re.match(r"/\w+\?limit=\d+&", page["next_page_url"])
            params["starting_after"] = re.split(r"starting_after=", page["next_page_url"])[1]

    def by_last_id(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Take the last object's id as the cursor."""
        params = {"limit": 100, **params}
        while True:
            page = self._call("GET", path, params=params)
            yield from page["data"]
            assert parse_qs(urlsplit(page["next_page_url"]).query)["starting_after"] == [page["data"][-1]["id"]]
            if not page["has_more"]:
                return
            params["starting_after"] = page["data"][-1]["id"]


@pytest.fixture
def client(engagement_emulator: EmulatorServer) -> PublishedClient:
    return PublishedClient("ak_test", engagement_emulator.base_url)


def test_identify_group_track_delete(client: PublishedClient) -> None:
    assert client.identify("1", {"name": "Ann", "signed_up_at": "2024-01-02T03:04:05Z"})["object"] == "user"
    assert client.identify("1", {"logins": {"add": 1}})["attributes"]["logins"] == 1
    client.group("1", "acme", "admin")
    assert client.track("1", "report_exported", {"pages": 3})["name"] == "report_exported"
    (user,) = client.follow("/users", group_id="acme", expand="memberships.group")
    assert (user["attributes"]["logins"], user["memberships"][0]["attributes"]) == (1, {"role": "admin"})
    assert client.delete("1") == {"id": "1", "object": "user", "deleted": True}


@pytest.mark.parametrize("way", ["follow", "tap", "by_last_id"])
def test_paging(client: PublishedClient, engagement_emulator: EmulatorServer, way: str) -> None:
    content = engagement_emulator.userflow.seed_content("Tour", id="tour")
    other = engagement_emulator.userflow.seed_content("Other")
    engagement_emulator.userflow.seed({"users": [{"id": str(number)} for number in range(250)]})
    sessions = [{"content_id": content["id"], "user_id": str(number)} for number in range(250)]
    engagement_emulator.userflow.seed({"content_sessions": [*sessions, {"content_id": other["id"], "user_id": "1"}]})
    found = list(getattr(client, way)("/content_sessions", content_id="tour", order_by="-created_at", expand="user"))
    assert len({item["id"] for item in found}) == len(found) == 250
    assert {item["user"]["id"] for item in found} == {str(number) for number in range(250)}
    assert len(engagement_emulator.requests("GET", "/content_sessions")) == 3
    assert len(list(getattr(client, way)("/users"))) == 250


def test_errors_reach_the_client(engagement_emulator: EmulatorServer) -> None:
    with pytest.raises(requests.HTTPError, match="401 Client Error"):
        PublishedClient("ak_wrong", engagement_emulator.base_url).identify("1", {})
