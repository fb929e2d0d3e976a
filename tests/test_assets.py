"""Assets by the vendors' own schemes, as Airflow itself makes and reads them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from airflow.providers.common.compat.openlineage import facet
from airflow.sdk import Asset
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

SCHEMES = ("userflow", "usertour", "mirats")


@dataclass
class Dataset:
    """OpenLineage's dataset, whose client need not be installed."""

    namespace: str
    name: str


@pytest.mark.parametrize("scheme", SCHEMES)
def test_airflow_checks_makes_and_translates_them(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facet, "Dataset", Dataset)
    manager = ProvidersManagerTaskRuntime()
    asset = manager.asset_factories[scheme](conn_id="my_conn", resource="users", extra=None)
    assert asset.uri == Asset(f"{scheme.upper()}://my_conn/users/").uri == f"{scheme}://my_conn/users"
    assert manager.asset_to_openlineage_converters[scheme](asset, None) == Dataset(f"{scheme}://my_conn", "users")


def test_one_of_several() -> None:
    make = ProvidersManagerTaskRuntime().asset_factories["userflow"]
    assert make(conn_id="c", resource="content_sessions", content_id="a/b").uri == "userflow://c/content_sessions/a%2Fb"


@pytest.mark.parametrize("rest", ["c", "/users", "c/", "c/users?x=1", "me@c/users", "c/users/one/more", "c//users"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_other_addresses_are_refused_where_they_are_written(scheme: str, rest: str) -> None:
    with pytest.raises(ValueError, match=f"an asset of {scheme} is {scheme}://<connection id>/<resource>"):
        Asset(f"{scheme}://{rest}")
