"""What the checkout promises: the README's example is a DAG, links lead somewhere, and what is pinned fits what is asked for."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = re.compile(r"([A-Za-z0-9_.-]+)==([A-Za-z0-9_.+!-]+)")


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    matched = [PINS.fullmatch(line) for line in lines]
    assert [line for line, match in zip(lines, matched, strict=True) if match is None] == []
    return {canonicalize_name(match[1]): match[2] for match in matched if match is not None}


def test_the_python_in_the_readme_is_a_dag() -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(source.replace("\nonboarding()", "\nmade = onboarding()"), "README.md", "exec"), names)
    made = names["made"]

    assert isinstance(made, DAG)
    assert made.task_ids == ["read_users", "push", "wait"]
    assert made.get_task("wait").upstream_task_ids == {"push"}
    assert DagSerialization.to_dict(made)["dag"]["dag_id"] == "onboarding"


@pytest.mark.parametrize("page", sorted(str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]))
def test_links_lead_to_files(page: str) -> None:
    text = (ROOT / page).read_text()
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:|#", target)]

    assert [target for target in targets if not ((ROOT / page).parent / target).exists()] == []


@pytest.mark.parametrize(("constraints", "airflow", "extras"), [("3.3", "3.3.", ("test", "check", "docs")), ("3.2", "3.2.", ("test",))])
def test_everything_is_pinned_and_fits(constraints: str, airflow: str, extras: tuple[str, ...]) -> None:
    pinned = pins(f"constraints-{constraints}.txt")
    wanted = [*PROJECT["dependencies"], *(name for extra in extras for name in PROJECT["optional-dependencies"][extra])]
    unfit = [
        text
        for text, requirement in ((text, Requirement(text)) for text in wanted)
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]

    assert unfit == []
    assert pinned["apache-airflow"].startswith(airflow)
    assert PROJECT["name"] not in pinned


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert sections[0] == "[Unreleased]"
