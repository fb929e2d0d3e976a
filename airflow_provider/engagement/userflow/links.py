"""The button from a task to the Userflow app."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

APP_URL = "https://userflow.com/app/_"
"""The app redirects `_` to the account the reader is signed in to."""


class UserflowLink(BaseOperatorLink):
    """Open the task's flow in the Userflow app.

    Only content has an id that the app's addresses know; users and groups stand there under ids of their own. Airflow asks for
    the link on the worker when the task ends and keeps it, so nothing is asked later.
    """

    name = "Userflow"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Give the flow's address, or the app's list of flows where the task has no single content."""
        content_id = getattr(operator, "content_id", None)
        if not content_id:
            several = getattr(operator, "content_ids", None)
            content_id = several[0] if isinstance(several, list | tuple) and len(several) == 1 else several
        return f"{APP_URL}/flows/{quote(content_id, safe='')}" if isinstance(content_id, str) else f"{APP_URL}/flows"
