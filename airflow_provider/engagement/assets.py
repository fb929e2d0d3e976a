"""Assets of the vendors: `userflow://<connection id>/<resource>`, and the same with `usertour` and `mirats`.

The connection stands for the account, whose name no connection tells. A third part names one of several, as in
`userflow://userflow_default/content_sessions/<content id>`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

from airflow.sdk import Asset

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check an asset's URI; Airflow calls this wherever one is written down.

    Raises:
        ValueError: it does not name a connection and a resource, or something beyond them.
    """
    parts = uri.path.split("/")[1:]
    if not uri.netloc or "@" in uri.netloc or not 1 <= len(parts) <= 2 or not all(parts) or uri.query:
        raise ValueError(f"an asset of {uri.scheme} is {uri.scheme}://<connection id>/<resource>, got {uri.geturl()!r:.200}")
    return uri


def _create(scheme: str, *, conn_id: str, resource: str, content_id: str | None = None, extra: dict[str, Any] | None = None) -> Asset:
    below = f"/{quote(content_id, safe='')}" if content_id else ""
    return Asset(uri=f"{scheme}://{conn_id}/{resource}{below}", extra=extra or {})


create_userflow_asset = partial(_create, "userflow")
"""Make an asset of Userflow: `conn_id`, `resource`, and `content_id` and `extra` if wanted."""
create_usertour_asset = partial(_create, "usertour")
"""Make an asset of Usertour: `conn_id`, `resource`, and `content_id` and `extra` if wanted."""
create_mirats_asset = partial(_create, "mirats")
"""Make an asset of Mirats Quanto: `conn_id`, `resource`, and `content_id` and `extra` if wanted."""


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:
    """Give an asset as OpenLineage's dataset: the account is the namespace, the resource the name.

    Args:
        asset: one of the assets of this module.
        lineage_context: the hook; not looked at.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset

    uri = urlsplit(asset.uri)
    return Dataset(namespace=f"{uri.scheme}://{uri.netloc}", name=uri.path.lstrip("/"))
