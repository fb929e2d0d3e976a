"""Docstrings here are written for people who read the source: code fences and lists as in Markdown. Sphinx reads them as RST."""

import re
from typing import Any

from sphinx.application import Sphinx

_ITEM = re.compile(r"\s*- ")


def to_rst(lines: list[str]) -> list[str]:
    """Turn code fences into code blocks, and set lists off from the paragraph before them."""
    made: list[str] = []
    fenced = False
    for line in lines:
        fence = line.strip().startswith("```")
        if fence and not fenced:
            language = line.strip().strip("`") or "text"
            made += ["", f"{_indent(line)}.. code-block:: {language}", ""]
        elif fence:
            made.append("")
        elif fenced:
            made.append(f"    {line}" if line.strip() else "")
        elif _ITEM.match(line) and made and made[-1].strip() and not _ITEM.match(made[-1]) and not made[-1].startswith("  "):
            made += ["", line]
        else:
            made.append(line)
        fenced ^= fence
    return made


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _process(_app: Sphinx, what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    lines[:] = to_rst(lines)
    if what in ("attribute", "data") and lines:
        # Napoleon takes what stands before a colon for the type.
        lines[0] = lines[0].replace(": ", "; ")


def setup(app: Sphinx) -> dict[str, Any]:
    """Run before napoleon, which reads the Google sections."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True}
