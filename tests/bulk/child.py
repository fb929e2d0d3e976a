"""A task's process of its own, to be killed: `python -m tests.bulk.child SETTINGS` runs one try of an operator.

The settings are JSON: `store` (the file that plays the task state store), `instance` (the fields of the task instance), `kind`,
`rows` and `arguments` of the operator, `folder` for temporary files.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from airflow_provider.engagement.bulk import send
from tests.bulk.tasks import OPERATORS, Instance


class FileStore:
    """The task state store as a file, so that it outlives the process."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self._path.read_text()).get(key, default) if self._path.exists() else default

    def set(self, key: str, value: Any) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps({key: value}))
        part.replace(self._path)


def main() -> None:
    settings = json.loads(sys.argv[1])
    os.environ["AIRFLOW_CONN_USERFLOW_DEFAULT"] = settings["connection"]
    tempfile.tempdir = settings["folder"]
    send.CHECKPOINT_SECONDS, send.PUBLISH_SECONDS, send.RESERVED_SECONDS = 0.02, 0.05, 0.005
    operator = OPERATORS[settings["kind"]](task_id="task", rows=settings["rows"], preflight=False, **settings["arguments"])
    print(json.dumps(operator.execute({"ti": Instance(**settings["instance"]), "task_state_store": FileStore(settings["store"])})))


if __name__ == "__main__":
    main()
