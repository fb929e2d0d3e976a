"""What the columns of a row mean: users, groups and events of both vendors, and everything that cannot be meant."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider.engagement.bulk.mapper import RENDERED_NULLS, Mapper
from airflow_provider.engagement.bulk.mapping import GroupColumns, Kind, RowMapping, Shape
from airflow_provider.engagement.bulk.rows import ApiRow, InvalidRow, MappedRow, UnusableSource
from airflow_provider.engagement.userflow.attributes import OPERATIONS
from airflow_provider.engagement.userflow.bodies import check_event_body, check_group_body, check_user_body
from airflow_provider.engagement.userflow.shape import SHAPE as USERFLOW
from airflow_provider.engagement.usertour.bodies import check_company, check_event, check_user
from airflow_provider.engagement.usertour.shape import shape_of

V1, V2 = shape_of("v1"), shape_of("v2")
ANN = {"id": "ann", "email": "ann@example.com", "plan": "pro"}


def map_all(rows: Iterable[Any], mapping: RowMapping, kind: Kind = "users", shape: Shape = USERFLOW) -> list[Any]:
    return list(Mapper(mapping, kind, shape)(rows))


def map_one(row: Any, mapping: RowMapping, kind: Kind = "users", shape: Shape = USERFLOW) -> Any:
    (made,) = map_all([row], mapping, kind, shape)
    assert isinstance(made, MappedRow), made
    assert made.source is row
    return made.row


def refusal(row: Any, mapping: RowMapping, kind: Kind = "users", shape: Shape = USERFLOW) -> str:
    (made,) = map_all([row], mapping, kind, shape)
    assert isinstance(made, InvalidRow)
    assert made.row is row
    return str(made.error)


# --- attributes ------------------------------------------------------------------------------------------------------


def plans_only(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"plan": row["plan"].upper()}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (None, {"email": "ann@example.com", "plan": "pro"}),
        (["plan"], {"plan": "pro"}),
        ({"plan": "Plan name"}, {"Plan name": "pro"}),
        (plans_only, {"plan": "PRO"}),
    ],
)
def test_attributes_are_all_other_columns_or_those_named(attributes: Any, expected: dict[str, Any]) -> None:
    assert map_one(ANN, RowMapping(attributes=attributes)) == {"id": "ann", "attributes": expected}


def test_no_attributes_at_all() -> None:
    assert map_one(ANN, RowMapping(attributes=[])) == {"id": "ann"}


def test_the_key_has_a_column_of_its_own() -> None:
    assert map_one({"user": 7, "id": "x"}, RowMapping(key="user")) == {"id": 7, "attributes": {"id": "x"}}


def test_null_unsets_an_attribute_and_values_travel_untouched() -> None:
    row = {"id": "ann", "plan": None, "tags": ["a"], "score": float("inf")}
    assert map_one(row, RowMapping())["attributes"] == {"plan": None, "tags": ["a"], "score": float("inf")}


def test_data_types_convert_text_and_tell_userflow() -> None:
    row = {"id": "ann", "phone": 12345678, "age": "33", "vip": "t"}
    mapping = RowMapping(data_types={"phone": "string", "age": "number", "vip": "boolean"})
    made = map_one(row, mapping)
    assert made["attributes"] == {
        "phone": {"set": "12345678", "data_type": "string"},
        "age": {"set": 33, "data_type": "number"},
        "vip": {"set": True, "data_type": "boolean"},
    }
    assert check_user_body(made) == made
    assert map_one(row, mapping, shape=V1)["attributes"] == {"phone": "12345678", "age": 33, "vip": True}


def test_a_list_for_usertour_is_a_value_and_for_userflow_needs_an_operation() -> None:
    row = {"id": "ann", "tags": '["a", "b"]'}
    assert map_one(row, RowMapping(data_types={"tags": "list"}), shape=V2)["attributes"] == {"tags": ["a", "b"]}
    made = map_one(row, RowMapping(data_types={"tags": "list"}, operations={"tags": "append"}))
    assert made["attributes"] == {"tags": {"append": ["a", "b"], "data_type": "list"}}
    assert check_user_body(made) == made
    with pytest.raises(ValueError, match=r"'tags' is a list, which Userflow cannot set; give operations=\{'tags': 'append'\}"):
        map_all([row], RowMapping(data_types={"tags": "list"}))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operations_by_column(operation: str) -> None:
    value: Any = 5 if operation in ("add", "subtract") else "a"
    made = map_one({"id": "ann", "x": value}, RowMapping(operations={"x": operation}))
    assert made == {"id": "ann", "attributes": {"x": {operation: value}}}
    assert check_user_body(made) == made


def test_text_from_csv_can_be_added() -> None:
    made = map_one({"id": "ann", "x": "5"}, RowMapping(operations={"x": "add"}))
    assert made["attributes"] == {"x": {"add": 5}}
    assert "'x' holds text that is no number" in refusal({"id": "ann", "x": "five"}, RowMapping(operations={"x": "add"}))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_null_has_nothing_to_add_but_unsets(operation: str) -> None:
    made = map_one({"id": "ann", "x": None, "y": 1}, RowMapping(operations={"x": operation}))
    assert made["attributes"] == ({"x": None, "y": 1} if operation == "set" else {"y": 1})
    assert check_user_body(made) == made


def test_a_function_that_fails_is_the_rows_fault_and_named() -> None:
    said = refusal({"id": "ann"}, RowMapping(attributes=plans_only))
    assert "plans_only failed on this row with KeyError: 'plan'" in said
    said = refusal({"id": "ann"}, RowMapping(transform=functools.partial(plans_only)))
    assert "partial failed on this row with KeyError" in said


def test_transform_makes_the_whole_row() -> None:
    mapping = RowMapping(transform=lambda row: {"id": row["email"], "prune_memberships": False})
    assert map_one(ANN, mapping) == {"id": "ann@example.com", "prune_memberships": False}


def test_a_row_in_the_apis_own_shape_passes_any_mapping() -> None:
    api_row = ApiRow({"id": "x", "attributes": {"n": {"add": 1}}})
    for mapping in (RowMapping(), RowMapping(groups="company"), RowMapping(transform=lambda row: row)):
        assert map_all([api_row], mapping) == [api_row]


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, float("nan"), "", "  ", *sorted(RENDERED_NULLS)])
def test_a_null_key_is_refused_with_its_column(value: Any) -> None:
    assert "column 'user_id'" in refusal({"user_id": value, "x": 1}, RowMapping(key="user_id"))
    assert "column 'who'" in refusal({"who": value}, RowMapping(event_name="x", user="who"), "events")


@pytest.mark.parametrize("value", [7.0, Decimal(7)])
def test_a_key_that_is_no_whole_number_is_refused_with_its_column_and_the_remedy(value: Any) -> None:
    said = refusal({"id": value}, RowMapping())
    assert f"column 'id' holds a {type(value).__name__}: cast it to text or whole numbers" in said


def test_an_invalid_row_tells_its_key() -> None:
    rows = [{"id": "ann", "n": "x"}, {"id": 7, "n": "x"}, {"id": None, "n": "x"}, {"id": True, "n": "x"}]
    made = map_all(rows, RowMapping(data_types={"n": "number"}))
    assert [row.key for row in made] == ["ann", "7", None, "True"]


# --- groups ----------------------------------------------------------------------------------------------------------

MEMBER = GroupColumns("company_id", {"company_name": "name"}, ["role"])
JOINED = {"id": "ann", "plan": "pro", "company_id": "acme", "company_name": "Acme", "role": "admin"}


def test_a_group_by_its_id_only() -> None:
    made = map_one({"id": "ann", "company_id": 5}, RowMapping(groups="company_id"))
    assert made == {"id": "ann", "groups": [{"id": 5}]}
    assert map_one({"id": "ann", "company_id": 5}, RowMapping(groups="company_id"), shape=V1) == {"id": "ann", "companies": [{"id": 5}]}


def test_a_group_with_attributes_of_its_own_and_of_the_membership() -> None:
    made = map_one(JOINED, RowMapping(groups=MEMBER))
    group = {"id": "acme", "attributes": {"name": "Acme"}}
    assert made == {"id": "ann", "attributes": {"plan": "pro"}, "memberships": [{"group": group, "attributes": {"role": "admin"}}]}
    assert check_user_body(made) == made
    made = map_one(JOINED, RowMapping(groups=[MEMBER]), shape=V2)
    assert made["memberships"] == [{"company": group, "attributes": {"role": "admin"}}]
    assert check_user(made, "v2") == made


def test_several_groups_in_one_row() -> None:
    row = {"id": "ann", "team": "t1", "company_id": "acme", "role": "admin"}
    made = map_one(row, RowMapping(groups=["team", GroupColumns("company_id", membership=["role"])]))
    assert made["memberships"] == [{"group": {"id": "t1"}}, {"group": {"id": "acme"}, "attributes": {"role": "admin"}}]


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_user_without_group(value: Any) -> None:
    made = map_one({"id": "ann", "company_id": value}, RowMapping(groups="company_id"))
    assert made == {"id": "ann", "groups": []}
    assert check_user_body(made) == made


@pytest.mark.parametrize("value", ["", "None", "nan", 1.0])
def test_a_group_id_that_is_a_rendered_null_is_refused(value: Any) -> None:
    assert "column 'company_id'" in refusal({"id": "ann", "company_id": value}, RowMapping(groups="company_id"))


def test_data_types_and_operations_reach_group_columns() -> None:
    mapping = RowMapping(groups=GroupColumns("g", ["seats"], ["logins"]), data_types={"seats": "number"}, operations={"logins": "add"})
    made = map_one({"id": "ann", "g": "acme", "seats": "5", "logins": 2}, mapping)
    group = {"id": "acme", "attributes": {"seats": {"set": 5, "data_type": "number"}}}
    assert made["memberships"] == [{"group": group, "attributes": {"logins": {"add": 2}}}]


def test_rows_of_one_user_that_stand_together_become_one_with_all_groups() -> None:
    rows = [{**JOINED, "company_id": name, "company_name": name.title()} for name in ("acme", "bolt", "core")]
    others = [{**JOINED, "id": "bob"}, {**JOINED, "id": "ann", "company_id": None}]
    made = map_all([*rows, *others], RowMapping(groups=MEMBER))
    assert [row.row["id"] for row in made] == ["ann", "bob", "ann"]
    assert [member["group"]["id"] for member in made[0].row["memberships"]] == ["acme", "bolt", "core"]
    assert made[0].source == rows
    assert made[0].row["attributes"] == {"plan": "pro"}
    assert check_user_body(made[0].row) == made[0].row
    assert made[2].row["memberships"] == []


def test_rows_of_one_user_stay_apart_where_no_group_is_mapped() -> None:
    assert [row.row["id"] for row in map_all([ANN, ANN], RowMapping())] == ["ann", "ann"]
    assert [row.row["id"] for row in map_all([ANN, ANN], RowMapping(), "groups")] == ["ann", "ann"]


def test_the_join_may_repeat_a_group_but_not_contradict_itself() -> None:
    rows = [JOINED, dict(JOINED), {**JOINED, "company_id": None}]
    (made,) = map_all(rows, RowMapping(groups=MEMBER))
    assert len(made.row["memberships"]) == 1
    (made,) = map_all([JOINED, {**JOINED, "role": "viewer"}], RowMapping(groups=MEMBER))
    assert isinstance(made, InvalidRow)
    assert "name the same group with different values" in str(made.error)


def test_rows_of_one_user_that_differ_in_the_users_own_attributes_are_refused_together() -> None:
    rows = [JOINED, {**JOINED, "company_id": "bolt", "plan": "free"}]
    made = map_all([*rows, {**JOINED, "id": "bob"}], RowMapping(groups=MEMBER))
    assert isinstance(made[0], InvalidRow)
    assert (made[0].row, made[0].key) == (rows, "ann")
    assert "differ in 'plan'" in str(made[0].error)
    assert made[1].row["id"] == "bob"


def test_missing_values_do_not_differ() -> None:
    rows = [{**JOINED, "plan": float("nan")}, {**JOINED, "plan": float("nan"), "company_id": "bolt"}]
    (made,) = map_all(rows, RowMapping(groups=MEMBER))
    assert len(made.row["memberships"]) == 2


def test_one_unusable_row_refuses_the_user() -> None:
    mapping = RowMapping(groups=MEMBER, data_types={"company_name": "number"})
    rows = [{**JOINED, "company_name": "5"}, {**JOINED, "company_id": "bolt"}]
    (made,) = map_all(rows, mapping)
    assert isinstance(made, InvalidRow)
    assert (made.row, made.key) == (rows, "ann")
    assert "'company_name'" in str(made.error)


def test_rows_without_a_key_are_never_joined() -> None:
    made = map_all([{**JOINED, "id": None}] * 2, RowMapping(groups=MEMBER))
    assert [type(row) for row in made] == [InvalidRow, InvalidRow]


def test_a_replayed_row_ends_the_rows_that_stand_together() -> None:
    replayed = ApiRow({"id": "ann"})
    made = map_all([JOINED, replayed, {**JOINED, "company_id": "bolt"}], RowMapping(groups=MEMBER))
    assert [type(row) for row in made] == [MappedRow, ApiRow, MappedRow]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, "x", "y", "z"])), max_size=12))
def test_joining_loses_and_invents_nothing(pairs: list[tuple[str, str | None]]) -> None:
    rows = [{"id": user, "company": company} for user, company in pairs]
    made = map_all(rows, RowMapping(groups="company"))
    assert [row for item in made for row in (item.source if isinstance(item.source, list) else [item.source])] == rows
    members = [(item.row["id"], group["id"]) for item in made for group in item.row["groups"]]
    assert set(members) == {(user, company) for user, company in pairs if company is not None}
    assert all(one.row["id"] != other.row["id"] for one, other in itertools.pairwise(made))


# --- groups and events as targets ------------------------------------------------------------------------------------


def test_groups() -> None:
    made = map_one({"id": "acme", "seats": 5}, RowMapping(), "groups")
    assert check_group_body(made) == made == {"id": "acme", "attributes": {"seats": 5}}
    assert check_company(made, "v2") == made


EVENT = {"event": "bought", "who": "ann", "org": "acme", "at": "2026-01-02T03:04:05Z", "price": 3}
ALL = RowMapping(event_name_column="event", user="who", group="org", time="at")


def test_events_in_each_vendors_words() -> None:
    made = map_one(EVENT, ALL, "events")
    assert made == {"name": "bought", "user_id": "ann", "group_id": "acme", "time": EVENT["at"], "attributes": {"price": 3}}
    assert check_event_body(made)
    made = map_one(EVENT, ALL, "events", V2)
    assert made == {"name": "bought", "userId": "ann", "companyId": "acme", "occurredAt": EVENT["at"], "attributes": {"price": 3}}
    assert check_event(made)


def test_an_event_of_one_name() -> None:
    made = map_one({"user_id": "ann"}, RowMapping(event_name="signed_up", user="user_id"), "events")
    assert made == {"name": "signed_up", "user_id": "ann"}


@pytest.mark.parametrize("value", [None, float("nan"), "", "NaT", "None", "null"])
def test_an_event_without_time_is_refused_unless_that_is_meant(value: Any) -> None:
    row = {**EVENT, "at": value}
    said = refusal(row, ALL, "events")
    assert "column 'at' has no time" in said
    assert "allow_missing_time=True" in said
    allowed = RowMapping(event_name_column="event", user="who", group="org", time="at", allow_missing_time=True)
    assert "time" not in map_one(row, allowed, "events")


def test_an_event_belongs_to_a_user_or_a_group() -> None:
    assert map_one({**EVENT, "org": None}, ALL, "events")["user_id"] == "ann"
    assert "group_id" not in map_one({**EVENT, "org": None}, ALL, "events")
    assert "user_id" not in map_one({**EVENT, "who": None}, ALL, "events")
    assert "columns 'who' and 'org' are both null" in refusal({**EVENT, "who": None, "org": None}, ALL, "events")
    assert "column 'who' is null" in refusal({**EVENT, "who": None}, ALL, "events", V2)
    assert "companyId" not in map_one({**EVENT, "org": None}, ALL, "events", V2)
    alone = RowMapping(event_name="x", group="org")
    assert map_one({"org": "acme"}, alone, "events") == {"name": "x", "group_id": "acme"}
    assert "column 'org' is null" in refusal({"org": None}, alone, "events")


def test_an_event_without_a_name_is_refused() -> None:
    assert "column 'event' is null" in refusal({**EVENT, "event": None}, ALL, "events")


# --- columns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mapping",
    [
        RowMapping(key="nope"),
        RowMapping(attributes=["email", "nope"]),
        RowMapping(attributes={"nope": "x"}),
        RowMapping(data_types={"nope": "number"}),
        RowMapping(operations={"nope": "add"}),
        RowMapping(groups="nope"),
        RowMapping(groups=GroupColumns("plan", attributes=["nope"])),
        RowMapping(groups=GroupColumns("plan", membership={"nope": "x"})),
    ],
)
def test_an_unknown_column_ends_it_and_tells_those_there_are(mapping: RowMapping) -> None:
    with pytest.raises(UnusableSource, match=r"names 'nope', which the row has not; it has 'id', 'email', 'plan'\."):
        map_all([ANN], mapping)


def test_many_columns_are_not_all_listed() -> None:
    with pytest.raises(UnusableSource, match=r"'c19' and 30 more"):
        map_all([{f"c{n}": 1 for n in range(50)}], RowMapping())


@pytest.mark.parametrize(("shape", "name"), [(USERFLOW, "Größe"), (USERFLOW, "a.b"), (V2, "2nd"), (V2, "a b"), (V1, " ")])
def test_a_column_that_cannot_be_an_attribute_name_ends_it_once_with_the_remedy(shape: Shape, name: str) -> None:
    with pytest.raises(UnusableSource, match=r"Rename the columns in the query, or map them: attributes=\{column: name\}") as caught:
        map_all([{"id": "ann", name: 1, "ok": 2}] * 3, RowMapping(), shape=shape)
    assert f"column {name!r}" in str(caught.value)
    assert map_one({"id": "ann", name: 1}, RowMapping(attributes={name: "size"}), shape=shape)["attributes"] == {"size": 1}


def test_names_of_group_attributes_are_checked_too() -> None:
    with pytest.raises(UnusableSource, match="'näme'"):
        map_all([{"id": "ann", "g": "x", "näme": 1}], RowMapping(groups=GroupColumns("g", ["näme"])))


def test_a_later_row_of_other_columns_is_refused_alone() -> None:
    rows = [ANN, {"id": "bob", "email": "b"}, {"id": "cem", "email": "c", "plan": None, "more": 1}, {"email": "d"}, dict(ANN)]
    made = map_all(rows, RowMapping(attributes=["email", "plan"]))
    assert [type(row) for row in made] == [MappedRow, InvalidRow, MappedRow, InvalidRow, MappedRow]
    assert made[1].key == "bob"
    assert "names 'plan', which the row has not; it has 'id', 'email'" in str(made[1].error)
    assert made[2].row["attributes"] == {"email": "c", "plan": None}
    assert made[3].key is None


def test_rows_of_ever_other_columns_are_each_mapped() -> None:
    rows = [{"id": "ann", f"c{n}": n} for n in range(200)]
    assert [row.row["attributes"] for row in map_all(rows, RowMapping())] == [{f"c{n}": n} for n in range(200)]


@pytest.mark.parametrize("row", ["text", 7, None, ["id"]])
def test_what_is_no_row_is_refused(row: Any) -> None:
    assert "must be a mapping of columns to values" in refusal(row, RowMapping())


def test_options_for_a_column_that_is_no_attribute_end_it() -> None:
    with pytest.raises(UnusableSource, match="'id', which is no attribute"):
        map_all([ANN], RowMapping(data_types={"id": "string"}))
    with pytest.raises(UnusableSource, match="'plan', which is no attribute"):
        map_all([ANN], RowMapping(attributes=["email"], operations={"plan": "set_once"}))


# --- arguments that contradict each other ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"transform": plans_only, "key": "x", "groups": "g"}, "groups, key means nothing beside it"),
        ({"attributes": plans_only, "operations": {"x": "add"}}, "leave out data_types and operations"),
        ({"attributes": "email"}, "attributes is the text 'email'; give a list of columns"),
        ({"attributes": {"a": "x", "b": "x"}}, "one name is given to two columns: 'x', 'x'"),
        ({"data_types": {"a": "date"}}, "must be one of boolean, datetime, list, number, string"),
        ({"data_types": {"a": "string"}, "operations": {"a": "add"}}, "add works on number attributes, not on string"),
        ({"data_types": {"a": "string"}, "operations": {"a": "append"}}, "append works on list attributes, not on string"),
    ],
)
def test_arguments_that_contradict_each_other(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        RowMapping(**arguments)


def test_group_columns_that_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="attributes of group 'g' is the text 'name'"):
        GroupColumns("g", "name")
    with pytest.raises(ValueError, match="membership of group 'g': one name"):
        GroupColumns("g", (), {"a": "x", "b": "x"})


@pytest.mark.parametrize(
    ("mapping", "kind", "shape", "said"),
    [
        (RowMapping(groups="g"), "groups", USERFLOW, "groups means nothing for groups; they take key"),
        (RowMapping(user="u"), "users", USERFLOW, "user means nothing for users; they take groups, key"),
        (RowMapping(key="id"), "events", USERFLOW, "key means nothing for events"),
        (RowMapping(user="u"), "events", USERFLOW, "either event_name, the name of all of them, or event_name_column"),
        (RowMapping(event_name="x", event_name_column="y", user="u"), "events", USERFLOW, "either event_name"),
        (RowMapping(event_name="x"), "events", USERFLOW, "user, the column of the user's id, or group"),
        (RowMapping(event_name="x", group="g"), "events", V2, "events take user, the column of the user's id"),
        (RowMapping(operations={"x": "add"}), "users", V1, "Usertour knows no operations on attributes"),
        (RowMapping(operations={"x": "multiply"}), "users", USERFLOW, "Userflow knows add, append"),
    ],
)
def test_what_means_nothing_for_a_target_or_vendor(mapping: RowMapping, kind: Kind, shape: Shape, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Mapper(mapping, kind, shape)


# --- describe --------------------------------------------------------------------------------------------------------


def test_the_description_is_the_same_for_the_same_mapping_only() -> None:
    def described(**arguments: Any) -> str:
        return RowMapping(**arguments).describe()

    assert described(attributes=["a", "b"]) == described(attributes=["b", "a"])
    assert described(data_types={"a": "number", "b": "list"}) == described(data_types={"b": "list", "a": "number"})
    texts = [
        described(),
        described(key="x"),
        described(attributes=["a"]),
        described(attributes={"a": "b"}),
        described(attributes=plans_only),
        described(data_types={"a": "number"}),
        described(operations={"a": "add"}),
        described(groups="g"),
        described(groups=GroupColumns("g", ["a"])),
        described(groups=GroupColumns("g", [], ["a"])),
        described(event_name="x"),
        described(event_name_column="x"),
        described(allow_missing_time=True),
        described(transform=plans_only),
        described(transform=functools.partial(plans_only)),
    ]
    assert len(set(texts)) == len(texts)
    assert "plans_only" in described(transform=plans_only)
    assert "0x" not in "".join(texts)
