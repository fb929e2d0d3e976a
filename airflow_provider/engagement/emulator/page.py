"""The emulator's page: what it holds, readable in a browser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from airflow_provider.engagement.wire.message import encode_json

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1c2733; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #d5dce4; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #e8ecf0; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } code, pre { font-size: 13px; }
pre { background: #f5f7f9; padding: .6rem; overflow: auto; max-height: 20rem; } .dim { color: #6b7884; }
@media (prefers-color-scheme: dark) { body { background: #14191f; color: #dbe2e9; } pre { background: #1d242c; }
  th, td, h2 { border-color: #2c3640; } .dim { color: #8b98a5; } }
"""


def render(state: Mapping[str, Any]) -> str:
    """Make the page out of `Emulation.state`."""
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>Emulator</title>",
        f"<style>{_STYLE}</style></head><body><h1>Emulator</h1>",
        f"<p>Clock: <code>{escape(state['clock']['now'])}</code>{' (stopped)' if state['clock']['stopped'] else ''}</p>",
    ]
    for name, collections in state["vendors"].items():
        parts.append(f"<h2>{escape(name)}</h2>")
        rows = [(title, str(held["count"])) for title, held in collections.items()]
        parts.append(_table(("Collection", "Objects"), rows))
        for title, held in collections.items():
            if held["latest"]:
                shown = "\n".join(encode_json(document).decode() for document in held["latest"])
                parts.append(f"<details><summary>Latest {escape(title)}</summary><pre>{escape(shown)}</pre></details>")
    parts.append("<h2>Faults</h2>")
    faults = [(fault["kind"], encode_json(fault).decode()) for fault in state["faults"]]
    parts.append(_table(("Kind", "Settings"), faults) if faults else "<p class=dim>none in force</p>")
    parts.append("<h2>Latest requests</h2>")
    requests = [
        (item["time"], item["method"], _target(item), "cut" if item["status"] is None else str(item["status"]), _yes(item["processed"]))
        for item in state["requests"]
    ]
    parts.append(_table(("Time", "Method", "Target", "Status", "Processed"), requests) if requests else "<p class=dim>none yet</p>")
    parts.append("<p class=dim>As JSON: <a href=/_emulator/state>/_emulator/state</a></p></body></html>")
    return "".join(parts)


def _target(item: Mapping[str, Any]) -> str:
    return f"{item['path']}?{item['query']}" if item["query"] else str(item["path"])


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
