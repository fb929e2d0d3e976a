from __future__ import annotations

from decimal import Decimal
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider.engagement.wire.message import (
    Request,
    Response,
    decode_json,
    encode_json,
    encode_query,
    encode_segment,
    splice,
)

HALF = "\ud800"


def test_one_value_goes_plain_and_several_with_brackets() -> None:
    assert encode_query({"expand": "user", "order_by": ["name", "-created_at"]}) == (
        ("expand", "user"),
        ("order_by[]", "name"),
        ("order_by[]", "-created_at"),
    )


def test_a_list_of_one_goes_plain() -> None:
    assert encode_query({"expand": ["user"]}) == (("expand", "user"),)
    assert encode_query({"expand": [None, "user"]}) == (("expand", "user"),)


def test_none_and_empty_lists_are_left_out() -> None:
    assert encode_query({"email": None, "expand": []}) == ()


def test_numbers_and_booleans_are_written_as_in_json() -> None:
    assert encode_query({"limit": 100, "a": True, "b": False, "c": Decimal("1.50")}) == (
        ("limit", "100"),
        ("a", "true"),
        ("b", "false"),
        ("c", "1.50"),
    )


@pytest.mark.parametrize("value", [{"a": 1}, {"a"}, b"bytes", object()])
def test_what_is_no_parameter_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="query parameter email must be text"):
        encode_query({"email": value})


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5))
def test_a_query_comes_out_as_it_went_in(query: dict[str, str]) -> None:
    target = Request("GET", "/users", encode_query(query)).target
    assert dict(parse_qsl(urlsplit(target).query, keep_blank_values=True)) == query


def test_a_target_without_query_is_the_path() -> None:
    assert Request("GET", "/users").target == "/users"


@given(st.text(min_size=1).filter(lambda text: text not in (".", "..")))
def test_an_id_becomes_one_segment(text: str) -> None:
    segment = encode_segment("user_id", text)
    assert "/" not in segment
    assert unquote(segment) == text
    assert Request("GET", f"/users/{segment}").path == f"/users/{segment}"


@pytest.mark.parametrize("value", ["", ".", "..", None, 5, HALF])
def test_unusable_ids_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="user_id"):
        encode_segment("user_id", value)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "users",
        "//evil.example/users",
        "@evil.example",
        ".evil.example",
        ":80@evil.example/",
        "/a?b=c",
        "/a#b",
        "/a b",
        "/é",
        "/a\r\nHost: evil.example",
        "/a/../b",
        "/a/..",
        "/a/./b",
        "/a/%2e%2E/b",
        "/a/.%2e",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        Request("GET", path)


@pytest.mark.parametrize("path", ["/", "/users", "/users/a%2Fb", "/.well-known", "/a..b/c", "/a/...", "/a//b", "/$x:y@z"])
def test_other_paths_are_taken(path: str) -> None:
    assert Request("GET", path).path == path


def test_a_request_does_not_show_its_body() -> None:
    assert "secret" not in repr(Request("POST", "/users", (), b"secret"))
    assert "secret" not in repr(Response(200, {"set-cookie": "secret"}, b"secret"))


def test_numbers_keep_every_digit() -> None:
    assert encode_json({"a": Decimal("19.90"), "b": 2**80}) == b'{"a":19.90,"b":1208925819614629174706176}'
    assert decode_json(b"1208925819614629174706176") == 2**80


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"{} x", b"\xff", b"NaN"])
def test_what_is_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the decoder says
        Response(200, {}, body).json()


@pytest.mark.parametrize("value", [{}, {"a": 1}, {"a": {"b": "}"}, "c": [{}]}])
def test_fields_are_spliced_into_an_encoded_object(value: dict[str, object]) -> None:
    assert decode_json(splice(encode_json({"x": 2**70, "y": "é"}), encode_json(value))) == {"x": 2**70, "y": "é", **value}


@pytest.mark.parametrize("body", [b"[1]", b'"text"', b"null", b""])
def test_only_an_object_has_room_for_fields(body: bytes) -> None:
    with pytest.raises(ValueError, match="must be a JSON object"):
        splice(b'{"x":1}', body)
