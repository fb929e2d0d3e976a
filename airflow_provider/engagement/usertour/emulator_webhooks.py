"""The emulated Usertour v2's webhooks. The secret is in the answers to creating and rotating, and to a read by a token that may manage."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from airflow_provider.engagement.emulator.state import Document
from airflow_provider.engagement.usertour.emulator_account import Account, Ask, Handler
from airflow_provider.engagement.usertour.emulator_errors import Invalid, invalid, missing
from airflow_provider.engagement.usertour.emulator_lists import webhook
from airflow_provider.engagement.usertour.emulator_params import type_name

_TOPICS = (
    *("*", "event.tracked", "content", "content.published", "user", "user.created", "user.updated", "user.deleted"),
    *("company", "company.created", "company.updated", "company.deleted"),
)
_TRACKED = re.compile(r"event\.tracked\.[a-zA-Z][a-zA-Z0-9_]*")
_FIELDS = {"url": "string", "topics": "array", "enabled": "boolean", "description": "string"}


def handlers(account: Account) -> dict[str, Handler]:
    """Give the calls by the names of their endpoints."""
    webhooks = account.objects.webhooks

    def found(ask: Ask) -> Document:
        document = webhooks.get(ask.ids["webhook_subscription_id"])
        if document is None or document["environment_id"] != ask.environment_id:
            raise missing("webhook")
        return document

    def create(ask: Ask) -> Document:
        told = _checked(ask.body, ("url", "topics"))
        made = {"id": account.new_id(), "environment_id": ask.environment_id, "created_at": account.now(), "enabled": True}
        document = account.put(webhooks, {**made, "description": None, "secret": _secret(), **told})
        return {**webhook(document), "secret": document["secret"]}

    def get(ask: Ask) -> Document:
        document, scopes = found(ask), ask.token.scopes if ask.token else ()
        managed = "*" in scopes or "webhook:manage" in scopes
        return {**webhook(document), **({"secret": document["secret"]} if managed else {})}

    def update(ask: Ask) -> Document:
        document = found(ask)
        return webhook(account.put(webhooks, {**document, **_checked(ask.body)}))

    def delete(ask: Ask) -> None:
        webhooks.delete(found(ask)["id"])

    def rotate(ask: Ask) -> Document:
        document = account.put(webhooks, {**found(ask), "secret": _secret()})
        return {**webhook(document), "secret": document["secret"]}

    return {
        "create_webhook_subscription": create,
        "get_webhook_subscription": get,
        "update_webhook_subscription": update,
        "delete_webhook_subscription": delete,
        "rotate_webhook_secret": rotate,
    }


def _checked(body: Any, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Check what is told of a webhook; other keys are left out."""
    told: Mapping[str, Any] = body if isinstance(body, dict) else {}
    issues = [
        (name, f"Invalid input: expected {wanted}, received {type_name(told[name]) if name in told else 'undefined'}")
        for name, wanted in _FIELDS.items()
        if (name in told or name in required) and type_name(told.get(name)) != wanted and (name, told.get(name, 0)) != ("description", None)
    ]
    if isinstance(told.get("url"), str) and not told["url"].startswith(("http://", "https://")):
        issues.append(("url", "must be an http(s) URL"))
    if issues:
        raise Invalid(issues)
    for topic in told.get("topics", ()):
        if topic not in _TOPICS and not _TRACKED.fullmatch(str(topic)):
            raise invalid(
                f'Invalid topic subscription "{topic}" — expected "*", a family name ("event.tracked", "content", "user", "company"), '
                '"event.tracked.<codeName>", or an exact topic such as "content.published" / "user.updated".'
            )
    return {name: told[name] for name in _FIELDS if name in told}


def _secret() -> str:
    return f"whsec_{secrets.token_hex(32)}"
