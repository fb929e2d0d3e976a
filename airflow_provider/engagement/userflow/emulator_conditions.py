"""How the emulated Userflow filters by conditions (https://userflow.com/docs/api#condition-filtering).

Written from the reference alone, not from this package's own `conditions`. What it leaves open is decided here:

- a bare name is a user's attribute where users are listed and a group's where groups are;
- `group/…` and `group_membership/…` hold if they hold for at least one of them; where there is none, for "no value";
- `excludes_all` is the opposite of `includes_all`, `excludes_any` the opposite of `includes_any`, as their headings say;
  `excludes_any` takes `value` too, as in its example;
- comparing is exact: upper and lower case differ, a number is not its text; an unset attribute is unequal to every value;
- an attribute that is not defined has no value; an operator on an attribute of another type does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from airflow_provider.engagement.emulator.state import Refused
from airflow_provider.engagement.userflow.emulator_attributes import valid_name
from airflow_provider.engagement.wire.message import decode_json

MOST_MATCHES = 10_000
_SCOPES = ("group", "group_membership")


class Subject(Protocol):
    """A user or group whose attributes are asked for."""

    def values(self, scope: str, name: str) -> Sequence[Any]:
        """An attribute's values in a scope: one for each object of that scope, None where it has none."""


Test = Callable[[Subject], bool]
Check = Callable[[Any], bool]


def parse(text: str, listed: str) -> Test:
    """Make a test out of the `condition` parameter.

    Args:
        text: the parameter, JSON.
        listed: what is listed, `user` or `group`.

    Raises:
        Refused: not a condition.
    """
    try:
        return _test(decode_json(text.encode()), listed)
    except RecursionError:
        raise _refused("the condition is nested too deeply") from None
    except ValueError:
        raise _refused("condition must be a JSON-formatted string") from None


def _test(raw: Any, listed: str) -> Test:
    if not isinstance(raw, Mapping):
        raise _refused("a condition must be an object")
    if raw.get("type") == "clause":
        return _clause(raw, listed)
    if raw.get("type") == "attribute":
        return _attribute(raw, listed)
    raise _refused("a condition's type must be attribute or clause")


def _clause(raw: Mapping[str, Any], listed: str) -> Test:
    _only(raw, "type", "operator", "conditions")
    parts = raw.get("conditions")
    if not isinstance(parts, list) or not parts:
        raise _refused("a clause needs a list of conditions")
    tests = [_test(part, listed) for part in parts]
    if raw.get("operator") == "and":
        return lambda subject: all(test(subject) for test in tests)
    if raw.get("operator") == "or":
        return lambda subject: any(test(subject) for test in tests)
    raise _refused("a clause's operator must be and or or")


def _attribute(raw: Mapping[str, Any], listed: str) -> Test:
    operator = raw.get("operator")
    maker = _OPERATORS.get(operator) if isinstance(operator, str) else None
    if maker is None:
        raise _refused(f"operator must be one of {', '.join(sorted(_OPERATORS))}, got {operator!r}")
    check = maker(raw)
    scope, name = _name(raw.get("attribute_name"), listed)
    return lambda subject: any(check(value) for value in subject.values(scope, name) or (None,))


def _name(name: Any, listed: str) -> tuple[str, str]:
    scope, bare = listed, name
    if isinstance(name, str) and "/" in name:
        scope, _, bare = name.partition("/")
        if scope not in _SCOPES:
            raise _refused(f"attribute_name {name!r} has an unknown prefix")
    if not valid_name(bare):
        raise _refused(f"attribute_name {name!r} is no attribute name")
    return scope, bare


def _only(raw: Mapping[str, Any], *allowed: str) -> None:
    unknown = [key for key in raw if key not in allowed]
    if unknown:
        raise _refused(f"a condition with operator {raw.get('operator')!r} takes no {', '.join(unknown)}")


def _operand(raw: Mapping[str, Any], *names: str) -> list[Any]:
    _only(raw, "type", "attribute_name", "operator", *names)
    missing = [name for name in names if name not in raw]
    if missing:
        raise _refused(f"a condition with operator {raw['operator']!r} needs {', '.join(missing)}")
    return [raw[name] for name in names]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == []


def _equality(equal: bool) -> Callable[[Mapping[str, Any]], Check]:
    def make(raw: Mapping[str, Any]) -> Check:
        (wanted,) = _operand(raw, "value")
        if not isinstance(wanted, str | int | float | bool):
            raise _refused("value must be a string, a number or a boolean")
        return lambda value: _same(value, wanted) is equal

    return make


def _numeric(compare: Callable[[Any, Any], bool]) -> Callable[[Mapping[str, Any]], Check]:
    def make(raw: Mapping[str, Any]) -> Check:
        (wanted,) = _operand(raw, "value")
        if not _is_number(wanted):
            raise _refused("value must be a number")
        return lambda value: _is_number(value) and compare(value, wanted)

    return make


def _between(raw: Mapping[str, Any]) -> Check:
    low, high = _operand(raw, "value", "value2")
    if not _is_number(low) or not _is_number(high):
        raise _refused("value and value2 must be numbers")
    return lambda value: _is_number(value) and low <= value <= high


def _textual(compare: Callable[[str, str], bool], *, unless: bool = False) -> Callable[[Mapping[str, Any]], Check]:
    def make(raw: Mapping[str, Any]) -> Check:
        (wanted,) = _operand(raw, "value")
        if not isinstance(wanted, str):
            raise _refused("value must be a string")
        return lambda value: (isinstance(value, str) and compare(value, wanted)) is not unless

    return make


def _listing(all_or_any: Callable[[Any], bool], *, unless: bool = False, single: bool = False) -> Callable[[Mapping[str, Any]], Check]:
    def make(raw: Mapping[str, Any]) -> Check:
        (wanted,) = _operand(raw, "value" if single and "values" not in raw else "values")
        texts = [wanted] if single and isinstance(wanted, str) else wanted
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise _refused("values must be an array of strings")
        return lambda value: (isinstance(value, list) and all_or_any(text in value for text in texts)) is not unless

    return make


def _bare(check: Check) -> Callable[[Mapping[str, Any]], Check]:
    def make(raw: Mapping[str, Any]) -> Check:
        _operand(raw)
        return check

    return make


_OPERATORS: Mapping[str, Callable[[Mapping[str, Any]], Check]] = {
    "between": _between,
    "contains": _textual(lambda value, wanted: wanted in value),
    "empty": _bare(_is_empty),
    "ends_with": _textual(str.endswith),
    "eq": _equality(True),
    "excludes_all": _listing(all, unless=True),
    "excludes_any": _listing(any, unless=True, single=True),
    "false": _bare(lambda value: value is False),
    "gt": _numeric(lambda value, wanted: value > wanted),
    "gte": _numeric(lambda value, wanted: value >= wanted),
    "includes_all": _listing(all),
    "includes_any": _listing(any),
    "lt": _numeric(lambda value, wanted: value < wanted),
    "lte": _numeric(lambda value, wanted: value <= wanted),
    "ne": _equality(False),
    "not_contains": _textual(lambda value, wanted: wanted in value, unless=True),
    "not_empty": _bare(lambda value: not _is_empty(value)),
    "starts_with": _textual(str.startswith),
    "true": _bare(lambda value: value is True),
}


def _refused(text: str) -> Refused:
    return Refused(400, "invalid_condition", text)
