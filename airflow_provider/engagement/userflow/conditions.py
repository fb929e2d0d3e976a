"""Conditions for listing users and groups, written as Python (https://userflow.com/docs/api#condition-filtering).

```python
(attribute("plan") == "Pro") & (attribute("widget_count") >= 10)
attribute("group/plan").starts_with("Ent") | attribute("group_membership/role").is_empty()
```

Mind the parentheses: Python binds `&` and `|` closer than comparisons. There is no "not" among Userflow's conditions, and no
operator for dates; a condition that matches more than 10,000 records is refused by Userflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import isfinite
from typing import Any, Final, NoReturn

from airflow_provider.engagement.userflow.attributes import check_name
from airflow_provider.engagement.wire.message import decode_json, encode_json
from airflow_provider.engagement.wire.values import shorten

SCOPES: Final = ("group", "group_membership")
"""What may stand before a `/` in the name: the attributes of the user's group, and of the membership. Bare names are the user's,
or the group's where groups are listed."""

_OPERANDS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("eq", "ne", "gt", "gte", "lt", "lte"), ("value",)),
    **dict.fromkeys(("contains", "not_contains", "starts_with", "ends_with"), ("value",)),
    **dict.fromkeys(("empty", "not_empty", "true", "false"), ()),
    **dict.fromkeys(("includes_all", "includes_any", "excludes_all", "excludes_any"), ("values",)),
    "between": ("value", "value2"),
}
_EQUALITY = ("eq", "ne")
_NUMERIC = ("gt", "gte", "lt", "lte", "between")

Number = int | float | Decimal


class Condition:
    """What `GET /users` and `GET /groups` filter by; immutable, combined by `&` and `|`."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the condition as the object that Userflow documents."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Give the condition as the text of the `condition` query parameter."""
        return encode_json(self.to_dict()).decode()

    def __and__(self, other: Condition) -> Condition:
        return _combine("and", self, other)

    def __or__(self, other: Condition) -> Condition:
        return _combine("or", self, other)

    def __eq__(self, other: object) -> bool:
        return self.to_json() == other.to_json() if isinstance(other, Condition) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a condition is neither true nor false here: combine conditions with & and |, each in parentheses, "
            "instead of and, or, not, and write low <= x <= high as .between(low, high)"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Comparison(Condition):
    """One attribute compared with values; made by `attribute` or `parse`, checked when made."""

    name: str
    operator: str
    operands: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        _check_attribute_name(self.name)
        where = f"the condition on {shorten(self.name)}, operator {self.operator}"
        if self.operator in _EQUALITY:
            _check_equal(self.operands[0], where)
        elif self.operator in _NUMERIC:
            for value in self.operands:
                _check_number(value, where)
            if len(self.operands) > 1 and self.operands[0] > self.operands[1]:
                raise ValueError(f"{where}: {self.operands[0]} is above {self.operands[1]}, so it can never be true; swap them")
        elif _OPERANDS[self.operator] == ("values",):
            _check_texts(self.operands[0], where)
        elif self.operands and not isinstance(self.operands[0], str):
            raise TypeError(f"{where}: the value must be text, got {type(self.operands[0]).__name__}")

    def to_dict(self) -> dict[str, Any]:
        """Give the condition as the object that Userflow documents."""
        shown: dict[str, Any] = {"type": "attribute", "attribute_name": self.name, "operator": self.operator}
        for key, value in zip(_OPERANDS[self.operator], self.operands, strict=True):
            shown[key] = list(value) if isinstance(value, tuple) else value
        return shown


@dataclass(frozen=True, slots=True, eq=False)
class Clause(Condition):
    """Several conditions of which all (`and`) or at least one (`or`) must be true."""

    operator: str
    conditions: tuple[Condition, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the condition as the object that Userflow documents."""
        return {"type": "clause", "operator": self.operator, "conditions": [each.to_dict() for each in self.conditions]}


class attribute:
    """An attribute to make conditions of.

    Args:
        name: the attribute's name; `group/…` for one of the user's group, `group_membership/…` for one of the membership.

    Raises:
        ValueError: a name or prefix that Userflow does not know.
    """

    __slots__ = ("name",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        _check_attribute_name(name)
        self.name = name

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        return Comparison(self.name, "eq", (value,))

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]
        return Comparison(self.name, "ne", (value,))

    def __gt__(self, value: Number) -> Condition:
        return Comparison(self.name, "gt", (value,))

    def __ge__(self, value: Number) -> Condition:
        return Comparison(self.name, "gte", (value,))

    def __lt__(self, value: Number) -> Condition:
        return Comparison(self.name, "lt", (value,))

    def __le__(self, value: Number) -> Condition:
        return Comparison(self.name, "lte", (value,))

    def __bool__(self) -> NoReturn:
        raise TypeError(f"attribute({self.name!r}) is not a condition yet; for a boolean attribute write .is_true() or .is_false()")

    def __contains__(self, value: object) -> NoReturn:
        raise TypeError(f'write attribute({self.name!r}).contains("…") for text, or .includes_any([…]) for lists, instead of "in"')

    def between(self, low: Number, high: Number) -> Condition:
        """A number from `low` to `high`, both included."""
        return Comparison(self.name, "between", (low, high))

    def contains(self, value: str) -> Condition:
        """A text that contains `value`."""
        return Comparison(self.name, "contains", (value,))

    def not_contains(self, value: str) -> Condition:
        """A text that does not contain `value`."""
        return Comparison(self.name, "not_contains", (value,))

    def starts_with(self, value: str) -> Condition:
        """A text that starts with `value`."""
        return Comparison(self.name, "starts_with", (value,))

    def ends_with(self, value: str) -> Condition:
        """A text that ends with `value`."""
        return Comparison(self.name, "ends_with", (value,))

    def is_empty(self) -> Condition:
        """Not set, null, an empty text or an empty list."""
        return Comparison(self.name, "empty")

    def is_not_empty(self) -> Condition:
        """Set, and neither null nor an empty text nor an empty list."""
        return Comparison(self.name, "not_empty")

    def is_true(self) -> Condition:
        """A boolean that is true."""
        return Comparison(self.name, "true")

    def is_false(self) -> Condition:
        """A boolean that is false."""
        return Comparison(self.name, "false")

    def includes_all(self, values: Sequence[str]) -> Condition:
        """A list that holds every one of `values`."""
        return Comparison(self.name, "includes_all", (_tuple(values),))

    def includes_any(self, values: Sequence[str]) -> Condition:
        """A list that holds at least one of `values`."""
        return Comparison(self.name, "includes_any", (_tuple(values),))

    def excludes_all(self, values: Sequence[str]) -> Condition:
        """A list of which Userflow says that it "does not include all of" `values`."""
        return Comparison(self.name, "excludes_all", (_tuple(values),))

    def excludes_any(self, values: Sequence[str]) -> Condition:
        """A list of which Userflow says that it "does not include at least one of" `values`."""
        return Comparison(self.name, "excludes_any", (_tuple(values),))


def parse(condition: Condition | str | Mapping[str, Any]) -> Condition:
    """Check a condition that came as JSON text or as a dict, and make it a `Condition`.

    Raises:
        TypeError: neither of them, or a value of the wrong type in it.
        ValueError: not JSON, or not a condition that Userflow documents.
    """
    if isinstance(condition, Condition):
        return condition
    if isinstance(condition, str):
        try:
            condition = decode_json(condition.encode())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the condition is not JSON ({error}); write it with attribute(…), or as a dict") from None
    return _parse(condition, "the condition")


def _parse(raw: Any, where: str) -> Condition:
    if isinstance(raw, Condition):
        return raw
    if not isinstance(raw, Mapping):
        raise TypeError(f"{where} must be an object, got {type(raw).__name__}")
    kind = raw.get("type")
    if kind == "attribute":
        return _parse_comparison(raw, where)
    if kind != "clause":
        raise ValueError(f"{where} has type {shorten(kind)}; it must be 'attribute' or 'clause'")
    _check_keys(raw, ("type", "operator", "conditions"), where)
    if raw["operator"] not in ("and", "or"):
        raise ValueError(f"{where} has operator {shorten(raw['operator'])}; a clause's is 'and' or 'or'")
    parts = raw["conditions"]
    if not isinstance(parts, list | tuple) or not parts:
        raise ValueError(f"{where} needs a list of at least one condition in 'conditions'")
    return Clause(raw["operator"], tuple(_parse(part, f"{where}, conditions[{index}]") for index, part in enumerate(parts)))


def _parse_comparison(raw: Mapping[str, Any], where: str) -> Condition:
    operator = raw.get("operator")
    if not isinstance(operator, str) or operator not in _OPERANDS:
        raise ValueError(f"{where} has operator {shorten(operator)}; it must be one of {', '.join(sorted(_OPERANDS))}")
    if operator == "excludes_any" and "values" not in raw and isinstance(raw.get("value"), str):
        # Userflow's own example of this one operator says "value"; its text says "values", like all others.
        raw = {**{key: value for key, value in raw.items() if key != "value"}, "values": [raw["value"]]}
    names = _OPERANDS[operator]
    _check_keys(raw, ("type", "attribute_name", "operator", *names), where)
    return Comparison(raw["attribute_name"], operator, tuple(_tuple(raw[name]) if name == "values" else raw[name] for name in names))


def _combine(operator: str, *conditions: Condition) -> Condition:
    parts: list[Condition] = []
    for condition in conditions:
        if not isinstance(condition, Condition):
            raise TypeError(
                f"cannot combine a condition with {type(condition).__name__}; put each comparison in parentheses: "
                '(attribute("a") == 1) & (attribute("b") == 2)'
            )
        parts += condition.conditions if isinstance(condition, Clause) and condition.operator == operator else (condition,)
    return Clause(operator, tuple(parts))


def _tuple(values: Any) -> Any:
    return tuple(values) if isinstance(values, list | tuple | set | frozenset) else values


def _check_keys(raw: Mapping[str, Any], wanted: tuple[str, ...], where: str) -> None:
    unknown = [str(key) for key in raw if key not in wanted]
    missing = [key for key in wanted if key not in raw]
    if unknown or missing:
        raise ValueError(f"{where} must hold {', '.join(wanted)}; missing: {shorten(missing)}, not known: {shorten(unknown)}")


def _check_attribute_name(name: Any) -> None:
    if isinstance(name, str) and "/" in name:
        scope, _, bare = name.partition("/")
        if scope not in SCOPES:
            raise ValueError(f"the attribute name {shorten(name)} has an unknown prefix; it may be {'/, '.join(SCOPES)}/ or none")
        name = bare
    check_name(name, "the attribute name")


def _check_equal(value: Any, where: str) -> None:
    if isinstance(value, str):
        return
    if value is None or isinstance(value, bool | list | tuple | set):
        raise TypeError(
            f"{where}: the value must be text or a number, got {type(value).__name__}; for booleans there are .is_true() "
            "and .is_false(), for no value .is_empty() and .is_not_empty(), for lists .includes_all([…]) and the like"
        )
    if isinstance(value, attribute):
        raise TypeError(f"{where}: an attribute can be compared with a value only, not with another attribute")
    _check_number(value, where)


def _check_number(value: Any, where: str) -> None:
    if isinstance(value, date):
        raise TypeError(f"{where}: Userflow documents no operator for dates; filter by a segment, or by date on the answer")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError(f"{where}: the value must be a number, got {type(value).__name__}")
    if not isfinite(value):
        raise ValueError(f"{where}: {value} is not a number that JSON can carry")


def _check_texts(values: Any, where: str) -> None:
    if not isinstance(values, tuple) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{where}: the values must be a list of texts, got {type(values).__name__}")
    if not values:
        raise ValueError(f"{where}: the list of values is empty")
