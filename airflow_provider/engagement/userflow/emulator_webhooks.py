"""The emulated Userflow's webhook subscriptions (https://userflow.com/docs/api#webhook-subscriptions)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from airflow_provider.engagement.emulator.state import Document, Refused
from airflow_provider.engagement.userflow.api import API_VERSION
from airflow_provider.engagement.userflow.emulator_account import Account, Ask, Handler
from airflow_provider.engagement.userflow.emulator_attributes import valid_name
from airflow_provider.engagement.userflow.emulator_reads import found

_TOPICS = ("*", "event", "event.tracked", "group", "group.created", "group.updated", "user", "user.created", "user.updated")
_TRACKED = "event.tracked."


def handlers(account: Account) -> dict[str, Handler]:
    """Give the calls by the names of their endpoints (reading is in `emulator_reads`)."""
    subscriptions = account.objects.subscriptions

    def create(ask: Ask) -> Document:
        document = subscriptions.put(
            {
                "id": str(uuid4()),
                "api_version": API_VERSION,
                "created_at": account.now(),
                "disabled": False,
                **_checked(ask.body),
                "secret": f"whsec_{base64.b32encode(secrets.token_bytes(16)).decode().rstrip('=').lower()}",
            }
        )
        # The one answer that holds the secret.
        return {**account.objects.show("webhook_subscription", document, {}), "secret": document["secret"]}

    def update(ask: Ask) -> Document:
        old = found(subscriptions, "webhook_subscription", ask.ids["webhook_subscription_id"])
        return account.objects.show("webhook_subscription", subscriptions.put({**old, **_checked(ask.body)}), {})

    def delete(ask: Ask) -> Document:
        key = ask.ids["webhook_subscription_id"]
        subscriptions.delete(key)
        return {"id": key, "object": "webhook_subscription", "deleted": True}

    return {"create_webhook_subscription": create, "update_webhook_subscription": update, "delete_webhook_subscription": delete}


def _checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Check the fields of a body that are given."""
    if body.get("api_version") not in (None, API_VERSION):
        raise _refused(f"api_version must be {API_VERSION}")
    if "topics" in body:
        topics = body["topics"]
        if not isinstance(topics, list) or not topics or not all(_is_topic(topic) for topic in topics):
            raise _refused(f"topics must be an array of {', '.join(_TOPICS)} or {_TRACKED}<name>")
    if "url" in body and not _is_url(body["url"]):
        raise _refused("url must be an http or https URL")
    if "disabled" in body and not isinstance(body["disabled"], bool):
        raise _refused("disabled must be a boolean")
    return {key: value for key, value in body.items() if value is not None}


def _is_url(url: object) -> bool:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return False
    return parts is not None and parts.scheme in ("http", "https") and bool(parts.netloc)


def _is_topic(topic: object) -> bool:
    return isinstance(topic, str) and (topic in _TOPICS or (topic.startswith(_TRACKED) and valid_name(topic.removeprefix(_TRACKED))))


def _refused(text: str) -> Refused:
    return Refused(400, "invalid_request", text)
