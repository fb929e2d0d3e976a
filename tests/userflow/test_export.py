"""Pages read without decoding their objects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider.engagement.userflow.export import read_lines


def page(*items: dict[str, Any], has_more: bool = False, indent: int | None = None, **more: Any) -> bytes:
    told = {"object": "list", "data": list(items), "has_more": has_more, "url": "/x", "next_page_url": "/x", **more}
    return json.dumps(told, indent=indent, ensure_ascii=False).encode()


SESSION = {
    "id": "s1",
    "created_at": "2026-03-01T00:00:00.000+00:00",
    "last_activity_at": None,
    "answers": [{"id": "a", "answer_value": "two\nlines \u2028 and \r"}],
    "body": {"a field": "of the server's own"},
    "progress": "0.40",
    "big": 2**70,
}


def test_an_object_stays_the_bytes_it_came_as() -> None:
    read = read_lines(page(SESSION))
    (line,) = read.items
    assert bytes(line.body) == json.dumps(SESSION, ensure_ascii=False).encode()
    assert (line.id, len(line.answers or ()), line.active()) == ("s1", 1, None)
    assert read.cursor is None


@pytest.mark.parametrize("indent", [None, 2])
def test_a_line_is_one_line_however_the_server_sets_its_json(indent: int | None) -> None:
    (line,) = read_lines(page(SESSION, indent=indent)).items
    assert b"\n" not in bytes(line.body)
    assert json.loads(bytes(line.body)) == SESSION


def test_cursors_are_those_of_any_list() -> None:
    read = read_lines(page({"id": "a"}, {"id": "b"}, {"id": "c"}, has_more=True))
    assert (read.cursor, read.earlier) == ("c", ("a", "b"))
    assert read_lines(page(has_more=True, next_page_url="/x?starting_after=z")).cursor == "z"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", page({"created_at": None}), page({"id": 5}), page(has_more=True), b'{"data": [{]}'])
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_lines(body)
