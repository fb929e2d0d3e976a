"""The attributes and events that every Usertour project knows from the start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_SMALL = {"cvid": "CVID", "id": "ID", "url": "URL"}
_DATES = ("first_seen_at", "last_seen_at", "signed_up_at")
_EVENT_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "flow": (
        *("id", "name", "session_id", "start_reason", "end_reason", "step_id", "step_cvid", "step_name", "step_number"),
        *("step_progress", "version_id", "version_number"),
    ),
    "launcher": ("id", "name", "session_id", "version_id", "version_number", "start_reason", "end_reason"),
    "banner": ("id", "name", "session_id", "version_id", "version_number", "end_reason"),
    "checklist": (
        *("id", "name", "session_id", "version_id", "version_number", "end_reason", "start_reason"),
        *("task_cvid", "task_id", "task_name"),
    ),
    "resource_center": (
        *("id", "name", "session_id", "version_id", "version_number", "block_id", "block_name", "tab_id", "tab_name"),
        *("start_reason", "end_reason"),
    ),
    "event_tracker": ("id", "name", "version_id", "version_number"),
    "announcement": ("id", "name", "version_id", "version_number", "level", "source"),
}
_LAST = (
    *("list_answer", "number_answer", "text_answer", "locale_code", "page_url", "viewport_height", "viewport_width"),
    *("question_cvid", "question_name", "question_type"),
)
_PAGE = ("locale_code", "page_url", "viewport_height", "viewport_width")
_STEP = ("step_cvid", "step_id", "step_name", "step_number", "step_progress")
_EVENTS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("page_viewed", "Page Viewed", "", ()),
    ("flow_started", "Flow Started", "flow", ("start_reason",)),
    ("flow_ended", "Flow Dismissed/Ended", "flow", ("end_reason", *_STEP)),
    ("flow_step_seen", "Flow Step Seen", "flow", _STEP),
    ("flow_step_completed", "Flow Step Completed", "flow", _STEP),
    ("flow_completed", "Flow Completed", "flow", _STEP),
    ("tooltip_target_missing", "Tooltip Target Missing", "flow", _STEP),
    ("launcher_activated", "Launcher Activated", "launcher", ()),
    ("launcher_dismissed", "Launcher Dismissed", "launcher", ("end_reason",)),
    ("launcher_seen", "Launcher Seen", "launcher", ("start_reason",)),
    ("banner_seen", "Banner Seen", "banner", ()),
    ("banner_dismissed", "Banner Dismissed", "banner", ("end_reason",)),
    ("resource_center_started", "Resource Center Started", "resource_center", ("start_reason",)),
    ("resource_center_opened", "Resource Center Opened", "resource_center", ()),
    ("resource_center_closed", "Resource Center Closed", "resource_center", ()),
    ("resource_center_clicked", "Resource Center Clicked", "resource_center", ("block_id", "block_name", "tab_id", "tab_name")),
    ("resource_center_dismissed", "Resource Center Dismissed", "resource_center", ("end_reason",)),
    ("question_answered", "Question Answered", "question", ()),
    ("checklist_completed", "Checklist Completed", "checklist", ()),
    ("checklist_dismissed", "Checklist Dismissed/Ended", "checklist", ("end_reason",)),
    ("checklist_hidden", "Checklist Hidden", "checklist", ()),
    ("checklist_seen", "Checklist Shown", "checklist", ()),
    ("checklist_started", "Checklist Started", "checklist", ("start_reason",)),
    ("checklist_task_clicked", "Checklist Task Clicked", "checklist", ("task_cvid", "task_id", "task_name")),
    ("announcement_seen", "Announcement Seen", "announcement", ("level", "source")),
    ("checklist_task_completed", "Checklist Task Completed", "checklist", ("task_cvid", "task_id", "task_name")),
)
_QUESTION = (
    *("flow_id", "flow_name", "flow_version_id", "flow_version_number"),
    *("list_answer", "number_answer", "question_cvid", "question_name", "question_type", "text_answer"),
)


def attributes() -> Iterator[tuple[str, str, str, str]]:
    """The predefined attributes in the order of their making: scope, code name, display name, data type."""
    for name, shown in (("email", "Email"), ("name", "Name")):
        yield "user", name, shown, "string"
    for name in _DATES:
        yield "user", name, _shown(name.removesuffix("_at")), "datetime"
    yield "user", "locale_code", "Locale Code", "string"
    yield "company", "name", "Company Name", "string"
    for name in _DATES:
        yield "company", name, f"Company {_shown(name.removesuffix('_at'))}", "datetime"
    for subject, parts in _EVENT_ATTRIBUTES.items():
        for part in parts:
            name = f"{subject}_{part}"
            yield "eventDefinition", name, _shown(name), "number" if part.endswith(("number", "progress")) else "string"
    for name in _LAST:
        kind = "list" if name == "list_answer" else "number" if name.startswith(("number_", "viewport_")) else "string"
        yield "eventDefinition", name, _shown(name), kind


def events() -> Iterator[tuple[str, str, list[str]]]:
    """The predefined events in the order of their making: code name, display name, the code names of their attributes."""
    for name, shown, subject, parts in _EVENTS:
        own: tuple[str, ...] = ()
        if subject == "question":
            own = _QUESTION
        elif subject:
            session = () if subject == "announcement" else ("session_id",)
            own = tuple(f"{subject}_{part}" for part in ("id", "name", *session, "version_id", "version_number", *parts))
        yield name, shown, sorted((*own, *_PAGE))


def _shown(name: str) -> str:
    return " ".join(_SMALL.get(word, word.capitalize()) for word in name.split("_"))
