"""The directive `resources`: what can be read from a vendor and its tables, made from the declarations that reading itself uses."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from airflow_provider.engagement.extract.resource import Resource
from airflow_provider.engagement.extract.table import Table

HEAD = ("Column", "Type", "What it holds")
WIDTHS = (26, 12, 62)


class Resources(Directive):
    """`.. resources:: module` lists the module's `RESOURCES` with the columns of their tables; those of the key are bold."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make a section per resource."""
        declared: Mapping[str, Resource] = import_module(self.arguments[0]).RESOURCES
        return [_section(resource) for resource in declared.values()]


def _section(resource: Resource) -> nodes.section:
    section = nodes.section(ids=[nodes.make_id(f"{resource.read.__module__}-{resource.name}".rpartition("engagement-")[2])])
    section += nodes.title("", "", nodes.literal(text=resource.name))
    told = nodes.paragraph("", "", nodes.Text("Read by "))
    for number, way in enumerate(resource.ways):
        told += [nodes.Text(" or ")] if number else []
        told += nodes.literal(text=way)
        if way in resource.windows:
            told += [nodes.Text(" ("), nodes.literal(text=resource.windows[way]), nodes.Text(")")]
    told += [nodes.Text("; "), nodes.reference("", "the vendor's own page", refuri=resource.doc), nodes.Text(".")]
    section += told
    for table in resource.tables:
        section += nodes.paragraph("", "", nodes.Text("Table "), nodes.literal(text=table.name), nodes.Text(f": {table.doc}."))
        section += _table(table)
    return section


def _table(table: Table) -> nodes.table:
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in WIDTHS), cols=len(WIDTHS))
    group += nodes.thead("", _row([nodes.Text(text) for text in HEAD]))
    body = nodes.tbody()
    for column in table.columns:
        name = nodes.literal(text=column.name)
        body += _row([nodes.strong("", "", name) if column.name in table.key else name, nodes.Text(column.type), _text(column.doc)])
    group += body
    return nodes.table("", group)


def _text(text: str) -> nodes.Node:
    """Set what stands between backticks as code."""
    line = nodes.inline()
    for number, part in enumerate(text.split("`")):
        line += nodes.literal(text=part) if number % 2 else nodes.Text(part)
    return line


def _row(cells: Sequence[nodes.Node]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("resources", Resources)
    return {"parallel_read_safe": True}
