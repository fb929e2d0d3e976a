"""What Airflow is told about the package: right by both of its schemas, and read by Airflow as it is meant."""

import ast
import inspect
import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import distribution, entry_points
from importlib.resources import files
from typing import Any

import pytest
from airflow.providers_manager import ProvidersManager
from airflow.sdk.log import redact
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
from jsonschema import Draft7Validator

import airflow_provider.engagement
from airflow_provider.engagement import provider_info
from airflow_provider.engagement.base import EngagementHook
from airflow_provider.engagement.connection import ConnectionFields
from airflow_provider.engagement.mirats.api import BASE_URL as MIRATS_BASE_URL
from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.wire.config import ClientConfig

INFO: dict[str, Any] = provider_info.get_provider_info()
NAME = "airflow-provider-engagement"
HOOKS: list[type[EngagementHook]] = [UserflowHook, MiratsQuantoHook]


def problems(schema_name: str, info: dict[str, Any]) -> list[str]:
    schema = json.loads((files("airflow") / schema_name).read_text())
    Draft7Validator.check_schema(schema)
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(schema).iter_errors(info)]


def modules() -> list[str]:
    named = [module for kind in ("hooks", "operators", "sensors", "triggers") for entry in INFO[kind] for module in entry["python-modules"]]
    return named + [entry["python-module"] for entry in INFO["transfers"]]


def classes() -> list[str]:
    return [*(entry["hook-class-name"] for entry in INFO["connection-types"]), *INFO["extra-links"]]


def test_right_by_the_schema_airflow_reads_it_with() -> None:
    assert problems("provider_info.schema.json", INFO) == []


def test_right_by_the_strict_schema_of_provider_yaml() -> None:
    # These three are about Airflow's own releases of its providers; the strict schema asks for them all the same.
    release = {"state": "ready", "source-date-epoch": 0, "versions": [airflow_provider.engagement.__version__]}

    assert problems("provider.yaml.schema.json", INFO | release) == []


def test_the_strict_schema_would_notice() -> None:
    assert problems("provider.yaml.schema.json", INFO) != []


def test_it_imports_nothing() -> None:
    tree = ast.parse(inspect.getsource(provider_info))

    assert [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)] == []


def test_the_entry_point_gives_it_under_the_name_of_the_distribution() -> None:
    found = [point for point in entry_points(group="apache_airflow_provider") if point.dist is not None and point.dist.name == NAME]

    assert [point.load()()["package-name"] for point in found] == [NAME]
    assert distribution(NAME).version == airflow_provider.engagement.__version__


@pytest.mark.parametrize("module", modules())
def test_modules_it_names_exist(module: str) -> None:
    import_module(module)


@pytest.mark.parametrize("path", classes())
def test_classes_it_names_exist(path: str) -> None:
    module, _, name = path.rpartition(".")

    assert inspect.isclass(getattr(import_module(module), name))


@pytest.mark.parametrize("hook", HOOKS)
def test_the_hook_agrees(hook: type[EngagementHook]) -> None:
    declared = {entry["connection-type"]: entry for entry in INFO["connection-types"]}[hook.conn_type]

    assert declared["hook-class-name"] == f"{hook.__module__}.{hook.__qualname__}"
    assert declared["hook-name"] == hook.hook_name


def test_airflow_reads_it() -> None:
    manager = ProvidersManager()

    provider = manager.providers[NAME]
    hook = ProvidersManagerTaskRuntime().hooks["userflow"]

    assert provider.version == airflow_provider.engagement.__version__
    assert hook is not None
    assert (hook.hook_class_name, hook.hook_name, hook.package_name) == (
        "airflow_provider.engagement.userflow.hooks.UserflowHook",
        "Userflow",
        NAME,
    )
    assert set(INFO["extra-links"]) <= set(manager.extra_links_class_names)
    assert {trigger.trigger_class_name for trigger in manager.trigger if trigger.package_name == NAME} == {
        module for entry in INFO["triggers"] for module in entry["python-modules"]
    }


DRAW_FORM = """
import json
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
print(json.dumps({meta.connection_type: meta.model_dump() for meta in HookMetaService.hook_meta_data()}))
"""


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The connection forms: the payload Airflow's UI draws them from. Airflow 3.2 replaces modules to make it, so not in this process."""
    folder = tmp_path_factory.mktemp("form")
    ran = subprocess.run(
        [sys.executable, "-c", DRAW_FORM],
        capture_output=True,
        text=True,
        check=True,
        env={"AIRFLOW_HOME": str(folder), "HOME": str(folder), "PATH": ""},
    )
    drawn: dict[str, dict[str, Any]] = json.loads(ran.stdout.splitlines()[-1])
    return drawn


@pytest.fixture(scope="module")
def form(forms: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Userflow's form."""
    return forms["userflow"]


def test_form_standard_fields(form: dict[str, Any]) -> None:
    fields = form["standard_fields"]

    assert fields["password"]["title"] == "API key"
    assert fields["host"]["title"] == "Base URL"
    assert api.BASE_URL in fields["host"]["placeholder"]
    assert api.EU_BASE_URL in fields["host"]["placeholder"]
    assert {name for name, field in fields.items() if field and field["hidden"]} == {"login", "url_schema"}


def test_form_extra_fields(form: dict[str, Any]) -> None:
    assert set(form["extra_fields"]) == {
        "api_version",
        "requests_per_minute",
        "timeout",
        "concurrency",
        "verify",
        "proxies",
        "allow_http",
        "webhook_secret",
    }
    assert form["extra_fields"]["webhook_secret"]["schema"]["format"] == "password"


def test_defaults_the_form_shows_are_those_of_the_hook(form: dict[str, Any]) -> None:
    shown = {name: field["value"] for name, field in form["extra_fields"].items() if field["value"] is not None}
    bare = UserflowHook().make_config(ConnectionFields("c", password="ak_1"))
    filled = UserflowHook().make_config(ConnectionFields("c", password="ak_1", extras=shown))

    assert set(shown) >= {"api_version", "timeout", "concurrency", "verify", "allow_http"}
    assert filled == bare


def test_form_of_mirats_quanto(forms: dict[str, dict[str, Any]]) -> None:
    form = forms["mirats_quanto"]
    fields, extras = form["standard_fields"], form["extra_fields"]

    assert fields["password"]["title"] == "Secret Key"
    assert fields["host"]["placeholder"] == MIRATS_BASE_URL
    assert {name for name, field in fields.items() if field and field["hidden"]} == {"login", "url_schema"}
    traffic = {"requests_per_minute", "timeout", "concurrency", "verify", "proxies", "allow_http"}
    assert set(extras) == {"web_api_key", "ip_salt_secret", *traffic}
    assert {extras[name]["schema"]["format"] for name in ("web_api_key", "ip_salt_secret")} == {"password"}
    assert "Userflow" not in str(extras)

    def config(**shown: Any) -> ClientConfig:
        return MiratsQuantoHook().make_config(ConnectionFields("c", password="secret", extras={"web_api_key": "web", **shown}))

    shown = {name: field["value"] for name, field in extras.items() if field["value"] is not None}
    assert set(shown) >= {"timeout", "concurrency", "verify", "allow_http"}
    assert config(**shown) == config()


def test_every_password_field_is_masked_by_its_name_alone() -> None:
    fields = {name: field for entry in INFO["connection-types"] for name, field in entry["conn-fields"].items()}
    secret = {name for name, field in fields.items() if field["schema"].get("format") == "password"}
    masked: Any = redact(dict.fromkeys(secret, "hunter2-hunter2"))

    assert secret == {"webhook_secret", "proxies", "web_api_key", "ip_salt_secret"}
    assert masked == dict.fromkeys(secret, "***")
