"""The data warehouse of the demo and of the system tests: a few tables in PostgreSQL, filled with rows as they are in real life.

Names in many scripts, nulls, decimals, dates in several zones, and ids with every character that has a meaning in a URL. The rows are
the same at every run, but for the dates of the cohort's sign-ups.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

SCHEMA = """
CREATE TABLE companies (
    id text PRIMARY KEY, name text NOT NULL, plan text, mrr numeric(12, 2), employees integer, founded_on date, renews_at timestamptz
);
CREATE TABLE users (
    id text PRIMARY KEY, name text, email text, language text NOT NULL, is_admin boolean NOT NULL, lifetime_value numeric(14, 4),
    signed_up_at timestamptz NOT NULL, last_seen_at timestamptz, in_onboarding boolean NOT NULL
);
CREATE TABLE memberships (
    user_id text REFERENCES users, company_id text REFERENCES companies, role text NOT NULL, seat_price numeric(8, 2),
    joined_at timestamptz, PRIMARY KEY (user_id, company_id)
);
CREATE TABLE events (
    id bigint PRIMARY KEY, name text NOT NULL, user_id text NOT NULL REFERENCES users, company_id text REFERENCES companies,
    amount numeric(10, 2), note text, happened_at timestamptz NOT NULL, pushed_by_run text
);
"""
TABLES = ("companies", "users", "memberships", "events")

COMPANY_NAMES = (
    "Łódź Logistics",
    "株式会社オルビス",
    "Ünïted Ärtists GmbH",
    "O'Brien & Söhne",
    "شركة النور",
    "Zażółć S.A.",
    "Čokoládovna",
    "Plain Inc",
)
FIRST_NAMES = ("Zoë", "Łukasz", "さくら", "Анна", "O'Neil", "Nguyễn", "محمد", "Renée", "李", "Bob", "Ægir", "Inès")
LAST_NAMES = ("Müller", "D'Arcy", "González", "Østergaard", "田中", "Smith-Jones", "Šimůnek", "Brown")
UGLY_COMPANY_IDS = ("emea/a&b 100%", "a+b c%2Fd", "?x=1#top", "büro/東京")
UGLY_USER_IDS = (
    "eu/anna+1@example.com",
    "100% müller",
    "a b/c%2Fd+e",
    "semi;colon?query=1#hash",
    "../users/..",
    "東京/さくら",
    "quote'\"back\\slash",
    "emoji-🚀+%F0",
)
ZONES = tuple(ZoneInfo(name) for name in ("Europe/Copenhagen", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland", "UTC"))
EVENT_NAMES = ("project_created", "report exported", "invoice-paid", "teammate_invited")
NOTES = (None, "first one 🎉", "line one\nline two", 'said "no"', "50 % off", "naïve café")


@dataclass(frozen=True)
class Warehouse:
    """The rows, by table, in the columns' order."""

    companies: list[tuple[Any, ...]]
    users: list[tuple[Any, ...]]
    memberships: list[tuple[Any, ...]]
    events: list[tuple[Any, ...]]

    @property
    def cohort(self) -> list[str]:
        """The ids of the users who are in the onboarding."""
        return [row[0] for row in self.users if row[-1]]

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each table."""
        return {table: len(getattr(self, table)) for table in TABLES}


def make_warehouse(*, companies: int = 40, users: int = 520, events: int = 5_200, cohort: int = 24) -> Warehouse:
    """Make the rows.

    Args:
        companies: How many companies.
        users: How many users; at least the number of ugly ids.
        events: How many events.
        cohort: How many users, the ones with ugly ids first, are in the onboarding.
    """
    chance = random.Random(20_261_122)
    company_rows = [_company(number, chance) for number in range(companies)]
    user_rows = [_user(number, cohort, chance) for number in range(users)]
    company_ids = [row[0] for row in company_rows]
    membership_rows = [row for user in user_rows for row in _memberships(user, company_ids, chance)]
    companies_of: dict[str, list[str]] = {}
    for membership in membership_rows:
        companies_of.setdefault(membership[0], []).append(membership[1])
    event_rows = [_event(number, user_rows, companies_of, chance) for number in range(events)]
    return Warehouse(company_rows, user_rows, membership_rows, event_rows)


def fill(connection: Connection, warehouse: Warehouse) -> None:
    """Create the tables and insert the rows."""
    with connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        for table in TABLES:
            rows: Sequence[tuple[Any, ...]] = getattr(warehouse, table)
            if rows:
                execute_values(cursor, f"INSERT INTO {table} VALUES %s", rows, page_size=1000)


def _moment(chance: random.Random, days: int) -> datetime:
    zone = chance.choice(ZONES)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    # A millisecond is the finest that the API keeps.
    return (start + timedelta(milliseconds=chance.randrange(days * 86_400_000))).astimezone(zone)


def _company(number: int, chance: random.Random) -> tuple[Any, ...]:
    key = UGLY_COMPANY_IDS[number] if number < len(UGLY_COMPANY_IDS) else f"company-{number:03}"
    return (
        key,
        f"{COMPANY_NAMES[number % len(COMPANY_NAMES)]} {number}",
        chance.choice(("free", "pro", "enterprise", None)),
        Decimal(chance.randrange(0, 5_000_000)) / 100 if chance.random() > 0.2 else None,
        chance.choice((1, 12, 250, 40_000, None)),
        date(1950 + number, 1 + number % 12, 1 + number % 28),
        _moment(chance, 700) if chance.random() > 0.3 else None,
    )


def _user(number: int, cohort: int, chance: random.Random) -> tuple[Any, ...]:
    key = UGLY_USER_IDS[number] if number < len(UGLY_USER_IDS) else f"user-{number:05}"
    return (
        key,
        f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}" if number % 17 else None,
        f"person{number}+test@example.com" if number % 11 else None,
        chance.choice(("en", "de", "ja", "pl", "ar")),
        number % 7 == 0,
        Decimal(chance.randrange(-10_000_000, 1_000_000_000)) / 10_000 if chance.random() > 0.25 else None,
        _moment(chance, 300),
        _moment(chance, 300) if chance.random() > 0.4 else None,
        number < cohort,
    )


def _memberships(user: tuple[Any, ...], company_ids: list[str], chance: random.Random) -> list[tuple[Any, ...]]:
    count = chance.choice((0, 1, 1, 1, 2, 3))
    return [
        (
            user[0],
            company,
            chance.choice(("owner", "editor", "viewer")),
            Decimal(chance.randrange(0, 9_999)) / 100 if chance.random() > 0.5 else None,
            _moment(chance, 300) if chance.random() > 0.5 else None,
        )
        for company in chance.sample(company_ids, min(count, len(company_ids)))
    ]


def _event(number: int, users: list[tuple[Any, ...]], companies_of: dict[str, list[str]], chance: random.Random) -> tuple[Any, ...]:
    user = chance.choice(users)[0]
    return (
        number + 1,
        EVENT_NAMES[number % len(EVENT_NAMES)],
        user,
        chance.choice([None, *companies_of.get(user, [])]),
        Decimal(chance.randrange(1, 1_000_000)) / 100 if chance.random() > 0.3 else None,
        chance.choice(NOTES),
        _moment(chance, 300),
        None,
    )
