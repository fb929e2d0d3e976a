"""Every method of the hook against a served emulator, with a connection for either version of the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.usertour.account import NotInVersion
from airflow_provider.engagement.usertour.walk import Incomplete
from airflow_provider.engagement.wire.errors import Invalid, NotFound, ServerFailed, Unauthorized
from tests.usertour.account import ANSWERS, Account

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


# --- connection ------------------------------------------------------------------------------------------------------


def test_the_test_button_says_it_works(account: Account) -> None:
    assert account.hook.test_connection() == (True, f"Usertour at {account.server.base_url} accepted the key")


@pytest.mark.parametrize("key", ["ak_wrong", "utp_wrong"])
def test_the_test_button_names_a_wrong_key(v2: Account, key: str) -> None:
    v2.connect(password=key)
    works, said = v2.hook.test_connection()
    assert not works
    assert said.startswith("Wrong key: Usertour refused it.")
    assert "E1000 Invalid API key provided" in said
    assert "v1 takes an environment's key (ak_…), v2 a personal token (utp_…)" in said
    assert key not in said


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"project_id": "other", "environment_id": "e_test"}, "check the extra project_id"),
        ({"project_id": "p_test", "environment_id": "other"}, "check the extra environment_id"),
    ],
)
def test_the_test_button_names_a_wrong_project_or_environment(v2: Account, extra: dict[str, str], said: str) -> None:
    v2.connect(extra=extra)
    works, told = v2.hook.test_connection()
    assert not works
    assert said.lower() in told.lower()


def test_the_test_button_names_a_wrong_field(v2: Account) -> None:
    v2.connect(extra={"project_id": "p_test"})
    assert v2.hook.test_connection() == (
        False,
        "connection 'usertour_default': environment_id is empty; API v2 names it in every path (Settings > API in Usertour shows it)",
    )


def test_a_request_without_a_method_of_its_own(account: Account) -> None:
    path = "/v1/content" if account.version == "v1" else "/v2/projects/p_test/content"
    assert len(account.hook.request("get", path, params={"limit": 1})["results"]) == 1


# --- users and companies ---------------------------------------------------------------------------------------------


def test_users_and_companies(account: Account) -> None:
    hook = account.hook
    attributes = {"name": "Zoë", "logins": 2, "vip": True, "tags": ["a", "b"], "signed_up": MOMENT, "score": Decimal("1.5")}
    user = hook.upsert_user("a/b %c+d", attributes, companies=[{"id": "acme", "attributes": {"plan": "pro"}}])
    assert user.id == "a/b %c+d"
    read = hook.get_user("a/b %c+d", expand=["companies", "memberships.company"])
    assert read.attributes is not None
    expected = {**attributes, "score": 1.5, "signed_up": "2026-03-01T12:00:00.000+00:00"}
    assert {name: read.attributes[name] for name in attributes} == expected
    assert read.companies is not None
    assert [company.id for company in read.companies] == ["acme"]
    assert read.memberships is not None
    assert read.memberships[0].company is not None
    assert read.memberships[0].company.id == "acme"
    company = hook.get_company("acme", expand="users")
    assert company.attributes is not None
    assert company.attributes["plan"] == "pro"
    assert company.users is not None
    assert [member.id for member in company.users] == ["a/b %c+d"]


def test_none_removes_an_attribute_and_others_stay(account: Account) -> None:
    account.hook.upsert_company("acme", {"plan": "pro", "seats": 3})
    account.hook.upsert_company("acme", {"plan": None})
    attributes = account.hook.get_company("acme").attributes
    assert attributes is not None
    assert "plan" not in attributes
    assert attributes["seats"] == 3


def test_memberships(account: Account) -> None:
    hook = account.hook
    hook.upsert_user("u", memberships=[{"company": {"id": "a", "attributes": {"plan": "x"}}, "attributes": {"role": "admin"}}])
    hook.upsert_company("b")
    hook.upsert_membership("u", "b", {"role": "member"})
    hook.upsert_membership("u", "b")
    user = hook.get_user("u", expand="memberships.company")
    assert user.memberships is not None
    roles = {item.company.id: (item.attributes or {}).get("role") for item in user.memberships if item.company is not None}
    assert roles == {"a": "admin", "b": "member"}
    for _ in range(2):
        hook.remove_membership("u", "a")
    left = hook.get_user("u", expand="companies").companies
    assert left is not None
    assert [company.id for company in left] == ["b"]


def test_deletes_are_idempotent(account: Account) -> None:
    hook = account.hook
    hook.upsert_user("u", companies=[{"id": "c"}])
    account.complete("flow", "u")
    for deleted in (None, False):
        answers = [hook.delete_content_session("flow-u"), hook.delete_user("u"), hook.delete_company("c")]
        if deleted is False:
            assert [answer.deleted for answer in answers] == [False] * 3
    assert list(hook.list_users()) == []
    assert list(hook.list_companies()) == []


def test_a_delete_at_the_wrong_host_is_not_taken_for_done(account: Account) -> None:
    account.connect(host=f"{account.server.base_url}/prefix")
    with pytest.raises((NotFound, Unauthorized)):
        account.hook.delete_user("u")


def test_unknown_objects_are_not_found(account: Account) -> None:
    hook = account.hook
    for get in (hook.get_user, hook.get_company, hook.get_content, hook.get_content_session, hook.end_content_session):
        with pytest.raises(NotFound) as caught:
            get("nope")
        assert caught.value.problem.code is not None


def test_lists_of_users(account: Account) -> None:
    hook = account.hook
    for number in range(7):
        hook.upsert_user(f"u{number}", {"email": f"u{number}@example.com"}, companies=[{"id": f"c{number % 2}"}])
    assert sorted(user.id for user in hook.list_users(page_size=2)) == [f"u{number}" for number in range(7)]
    assert [user.id for user in hook.list_users(order_by="-createdAt", page_size=3)] == [f"u{number}" for number in reversed(range(7))]
    assert [user.id for user in hook.list_users(email="u3@example.com")] == ["u3"]
    assert sorted(user.id for user in hook.list_users(company_id="c1", expand="companies")) == ["u1", "u3", "u5"]
    assert sorted(company.id for company in hook.list_companies(expand=["users", "memberships"], page_size=1)) == ["c0", "c1"]


def test_filters_by_creation_are_v2s(account: Account) -> None:
    account.hook.upsert_user("u")
    later = account.server.clock.now() + timedelta(hours=1)
    if account.version == "v2":
        assert [user.id for user in account.hook.list_users(created_before=later)] == ["u"]
        assert list(account.hook.list_users(created_after=later)) == []
        return
    with pytest.raises(NotInVersion, match="API v1 has no parameter createdAfter in list_users; use a connection for API v2"):
        account.hook.list_users(created_after=later)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"page_size": 0}, "page_size must be a whole number from 1 to 100"),
        ({"page_size": 101}, "page_size"),
        ({"page_size": 2.5}, "page_size"),
        ({"expand": "companies,memberships"}, "not as one text with commas"),
        ({"order_by": ["createdAt", "a,b"]}, "order_by takes several names as a list"),
        ({"company_id": ""}, "companyId is empty"),
        ({"email": ""}, "email is empty"),
    ],
)
def test_unusable_arguments_of_a_list_fail_before_anything_is_sent(account: Account, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        account.hook.list_users(**arguments)
    assert account.server.requests() == []


def test_a_final_no_says_where(account: Account) -> None:
    account.hook.upsert_user("u", {"age": 7})
    with pytest.raises(Invalid, match="E1017") as caught:
        account.hook.list_users(email="no address").__next__()
    assert account.version == "v1" or caught.value.problem.issues[0]["path"] == "email"


# --- content and sessions --------------------------------------------------------------------------------------------


def test_content(account: Account) -> None:
    hook = account.hook
    assert sorted(content.id for content in hook.list_content(page_size=1)) == ["flow", "other"]
    content = hook.get_content("flow", expand="editedVersion")
    assert (content.type, content.edited_version_id) == ("flow", next(iter(hook.list_content_versions("flow"))).id)
    (version,) = hook.list_content_versions("flow", expand="questions")
    assert version.questions is not None
    assert [question.cvid for question in version.questions] == ["score", "parts", "why"]
    assert hook.get_content_version(version.id, content_id="flow", expand="questions") == version


def test_a_version_of_content_needs_its_content_in_v2(v2: Account) -> None:
    with pytest.raises(ValueError, match="needs content_id in Usertour's API v2"):
        v2.hook.get_content_version("x")


def test_sessions_mean_the_same_in_both_versions(account: Account) -> None:
    account.complete("flow", "done")
    account.dismiss("flow", "left")
    account.begin("flow", "here")
    sessions = {
        session.user_id: session
        for session in account.hook.list_content_sessions(content_id="flow", expand=["answers", "user", "content", "version"], page_size=2)
    }
    told = {who: (session.ended, session.finished, session.progress) for who, session in sessions.items()}
    assert told == {
        "done": (True, True, Decimal(1)),
        "left": (True, False, Decimal("0.66")),
        "here": (False, False, Decimal("0.4")),
    }
    assert sessions["left"].completed is (account.version == "v1")
    assert sessions["left"].raw["progress"] == 66
    answers = sessions["done"].answers
    assert answers is not None
    assert {answer.question_cvid: answer.answer_value for answer in answers} == ANSWERS
    assert sessions["done"].user is not None
    assert sessions["done"].content is not None
    assert sessions["done"].version is not None


def test_filters_of_sessions(account: Account) -> None:
    account.complete("flow", "a", "b")
    account.complete("other", "a")
    hook = account.hook
    assert [session.id for session in hook.list_content_sessions(content_id="flow", user_id="b")] == ["flow-b"]
    if account.version == "v1":
        with pytest.raises(ValueError, match="needs content_id in Usertour's API v1; walk over list_content"):
            hook.list_content_sessions()
        with pytest.raises(NotInVersion, match="no parameter completed in list_content_sessions"):
            hook.list_content_sessions(content_id="flow", completed=True)
    else:
        assert len(list(hook.list_content_sessions())) == 3
        assert list(hook.list_content_sessions(completed=False)) == []


def test_ending_a_session_is_idempotent(account: Account) -> None:
    account.begin("flow", "a")
    for _ in range(2):
        session = account.hook.end_content_session("flow-a")
        assert (session.id, session.ended, session.finished) == ("flow-a", True, False)
    account.complete("flow", "b")
    assert account.hook.end_content_session("flow-b").finished


def test_sessions_created_at_one_moment_come_once_each(account: Account) -> None:
    account.begin("flow", *(f"u{number}" for number in range(90)), createdAt="2026-03-01T12:00:00.000Z")
    account.begin("flow", *(f"v{number}" for number in range(60)), createdAt="2026-03-01T12:00:01.000Z")
    for order in ("createdAt", "-createdAt"):
        for page_size in (7, 100):
            got = [session.id for session in account.hook.list_content_sessions(content_id="flow", order_by=order, page_size=page_size)]
            assert len(got) == len(set(got)) == 150


def test_users_created_at_one_moment_come_once_each(account: Account) -> None:
    users = [{"id": f"u{number}", "createdAt": f"2026-03-01T12:00:0{number % 3}.000Z"} for number in range(120)]
    account.server.usertour.seed({"users": users})
    got = [user.id for user in account.hook.list_users(page_size=9)]
    assert len(got) == len(set(got)) == 120


def test_more_at_one_moment_than_a_page_holds_is_said_by_v1(account: Account) -> None:
    account.begin("flow", *(f"u{number}" for number in range(130)), createdAt="2026-03-01T12:00:00.000Z")
    if account.version == "v2":
        assert len({session.id for session in account.hook.list_content_sessions(content_id="flow")}) == 130
        return
    with pytest.raises(Incomplete, match=r"2026-03-01T12:00:00\.000Z"):
        list(account.hook.list_content_sessions(content_id="flow"))
    got = [session.id for session in account.hook.list_content_sessions(content_id="flow", allow_incomplete=True)]
    assert 100 < len(got) == len(set(got)) <= 130


def test_a_session_deleted_under_the_cursor_does_not_end_the_walk(account: Account) -> None:
    for number in range(12):
        account.begin("flow", f"u{number}", createdAt=f"2026-03-01T12:00:{number:02}.000Z")
    got = []
    for session in account.hook.list_content_sessions(content_id="flow", page_size=3):
        got.append(session.user_id)
        if len(got) in (2, 3, 5, 6, 8):
            account.hook.delete_content_session(session.id)
    assert got == [f"u{number}" for number in range(12)]


# --- definitions and what only v2 has --------------------------------------------------------------------------------


def test_definitions(account: Account) -> None:
    account.hook.upsert_user("u", {"age": 7})
    names = [item.code_name for item in account.hook.list_attribute_definitions(scope="user", page_size=2)]
    assert "age" in names
    assert len(names) == len(set(names))
    assert list(account.hook.list_attribute_definitions(event_name="flow_started"))
    events = [item.code_name for item in account.hook.list_event_definitions(page_size=5)]
    assert "flow_started" in events
    assert len(events) == len(set(events))
    with pytest.raises(ValueError, match="eventName is empty"):  # not sent, it would list everything
        account.hook.list_attribute_definitions(event_name=[])
    with pytest.raises(ValueError, match="scope must be one of"):
        account.hook.list_attribute_definitions(scope="group")


V2_ONLY: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("track_event", ("signed_up",), {"user_id": "u"}),
    ("list_segments", (), {}),
    ("list_environments", (), {}),
    ("get_content_analytics", ("flow",), {}),
    ("list_question_analytics", ("flow",), {}),
    ("create_webhook_subscription", ("https://example.com/hook", ["user"]), {}),
    ("get_webhook_subscription", ("w",), {}),
    ("update_webhook_subscription", ("w",), {"enabled": False}),
    ("rotate_webhook_secret", ("w",), {}),
    ("delete_webhook_subscription", ("w",), {}),
    ("list_webhook_subscriptions", (), {}),
]


@pytest.mark.parametrize(("name", "arguments", "named"), V2_ONLY, ids=[name for name, _, _ in V2_ONLY])
def test_what_v1_lacks_says_so_by_name_and_what_to_do(v1: Account, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(NotInVersion) as caught:
        getattr(v1.hook, name)(*arguments, **named)
    assert str(caught.value).startswith(f"Usertour's API v1 has no call {name}; use a connection for API v2: a personal token (utp_…)")
    assert v1.server.requests() == []


def test_events(v2: Account) -> None:
    v2.hook.upsert_company("acme")
    event = v2.hook.track_event("signed_up", user_id="new", company_id="acme", attributes={"n": 1}, time=MOMENT)
    assert (event.code_name, event.user_id) == ("signed_up", "new")
    assert v2.hook.get_user("new").id == "new"


def test_an_older_server_without_events_is_named(v2: Account) -> None:
    v2.server.usertour.quirks.events = False
    with pytest.raises(NotFound, match=r"E1033.*no such call: it may be older than the documents"):
        v2.hook.track_event("signed_up", user_id="u")


def test_what_only_v2_has(v2: Account) -> None:
    hook = v2.hook
    v2.complete("flow", "a")
    assert any(environment.id == "e_test" for environment in hook.list_environments())
    assert "token" not in repr(next(hook.list_environments())).replace("in_token_scope", "").replace("token='***'", "")
    assert {segment.id for segment in hook.list_segments()}
    assert hook.get_content_analytics("flow", timezone="Europe/Copenhagen").content_id == "flow"
    assert [item.question.cvid for item in hook.list_question_analytics("flow") if item.question is not None]


def test_webhooks(v2: Account) -> None:
    hook = v2.hook
    created = hook.create_webhook_subscription("https://example.com/hook", ["user", "event.tracked.signed_up"], enabled=False)
    assert created.secret is not None
    assert str(created.secret).startswith("whsec_")
    assert str(created.secret) not in repr(created)
    rotated = hook.rotate_webhook_secret(created.id)
    assert rotated.secret
    assert rotated.secret != created.secret
    updated = hook.update_webhook_subscription(created.id, topics=["*"], description="d")
    assert (updated.topics, updated.description, updated.enabled) == (["*"], "d", False)
    assert hook.get_webhook_subscription(created.id).url == "https://example.com/hook"
    assert [item.id for item in hook.list_webhook_subscriptions()] == [created.id]
    for _ in range(2):
        hook.delete_webhook_subscription(created.id)
    assert list(hook.list_webhook_subscriptions()) == []


# --- failures and secrets --------------------------------------------------------------------------------------------


def test_a_request_given_up_in_the_queue_is_sent_again(account: Account) -> None:
    account.patience_is_short()
    account.server.faults.add(Status(status=503, times=1))
    assert account.hook.upsert_user("u").id == "u"


def test_a_refused_key_shows_nowhere(account: Account) -> None:
    secret = "ak_very_secret_key" if account.version == "v1" else "utp_very_secret_key"
    account.connect(password=secret)
    with pytest.raises(Unauthorized) as caught:
        account.hook.get_user("u")
    assert secret not in str(caught.value)
    assert secret not in repr(account.hook.get_config())
    assert secret not in repr(account.hook.account)


def test_server_errors_are_not_final(account: Account) -> None:
    account.patience_is_short()
    account.server.faults.add(Status(status=500))
    with pytest.raises(ServerFailed):
        account.hook.get_user("u")
