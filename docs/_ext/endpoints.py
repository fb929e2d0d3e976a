"""The directive `endpoints`: a table of every call of a vendor, made from the declarations the hook itself sends."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from airflow_provider.engagement.wire.endpoint import Endpoint

HEAD = ("Hook method", "Request", "Query", "Body", "Repeatable")
WIDTHS = (22, 28, 22, 18, 10)


class Endpoints(Directive):
    """`.. endpoints:: module` lists the module's `ENDPOINTS`, or what a second argument names; required names are bold."""

    required_arguments = 1
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        module, name = [*self.arguments, "ENDPOINTS"][:2]
        declared = getattr(import_module(module), name)
        endpoints: tuple[Endpoint[Any], ...] = tuple(declared.values() if isinstance(declared, Mapping) else declared)
        group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in WIDTHS), cols=len(WIDTHS))
        group += nodes.thead("", _row([nodes.Text(text) for text in HEAD]))
        group += nodes.tbody("", *(_row(_cells(endpoint)) for endpoint in endpoints))
        return [nodes.table("", group)]


def _cells(endpoint: Endpoint[Any]) -> list[nodes.Node]:
    repeatable = "by its content" if callable(endpoint.repeatable) else ("yes" if endpoint.repeatable else "no")
    return [
        nodes.reference("", "", nodes.literal(text=endpoint.name), refuri=endpoint.doc),
        nodes.literal(text=f"{endpoint.method} {endpoint.path}"),
        _names(endpoint.query, endpoint.required),
        _names(endpoint.fields, endpoint.required),
        nodes.Text(repeatable),
    ]


def _names(names: tuple[str, ...], required: tuple[str, ...]) -> nodes.Node:
    listed = nodes.inline()
    for number, name in enumerate(names):
        literal = nodes.literal(text=name)
        listed += [nodes.Text(", ")] if number else []
        listed += nodes.strong("", "", literal) if name in required else literal
    return listed


def _row(cells: list[nodes.Node]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("endpoints", Endpoints)
    return {"parallel_read_safe": True}
