"""What Airflow is told about this package. Data only: Airflow reads it in every process, so nothing is imported here.

Secret fields carry names that Airflow masks by itself (`…secret…`, `proxies`): `format: password` hides a value in the
form, but the answers of Airflow's API are redacted by the field's name alone. Defaults are what the form shows; a
connection from the environment has none of them, so the hook applies its own, which are the same.
"""

_USERFLOW = "airflow_provider.engagement.userflow"
_USERTOUR = "airflow_provider.engagement.usertour"
_MIRATS = "airflow_provider.engagement.mirats"
_ASSETS = "airflow_provider.engagement.assets"


def get_provider_info() -> dict[str, object]:
    """Describe the package to Airflow (entry point `apache_airflow_provider`)."""
    return {
        "package-name": "airflow-provider-engagement",
        "name": "Engagement",
        "description": "Userflow, Usertour and Mirats Quanto: push users, groups and events, wait for flows and surveys, export sessions.",
        "integrations": [
            {"integration-name": "Userflow", "external-doc-url": "https://userflow.com/docs/api", "tags": ["service"]},
            {"integration-name": "Usertour", "external-doc-url": "https://docs.usertour.io/api-reference", "tags": ["service"]},
            {"integration-name": "Mirats Quanto", "external-doc-url": "https://docs.publisher.miratsquanto.com", "tags": ["service"]},
        ],
        "hooks": [
            {"integration-name": "Userflow", "python-modules": [f"{_USERFLOW}.hooks"]},
            {"integration-name": "Usertour", "python-modules": [f"{_USERTOUR}.hooks"]},
            {"integration-name": "Mirats Quanto", "python-modules": [f"{_MIRATS}.hooks"]},
        ],
        "operators": [
            {"integration-name": "Userflow", "python-modules": [f"{_USERFLOW}.operators"]},
            {"integration-name": "Usertour", "python-modules": [f"{_USERTOUR}.operators", f"{_USERTOUR}.webhook_operators"]},
            {"integration-name": "Mirats Quanto", "python-modules": [f"{_MIRATS}.operators"]},
        ],
        "sensors": [
            {"integration-name": "Userflow", "python-modules": [f"{_USERFLOW}.sensors"]},
            {"integration-name": "Usertour", "python-modules": [f"{_USERTOUR}.sensors"]},
            {"integration-name": "Mirats Quanto", "python-modules": [f"{_MIRATS}.sensors"]},
        ],
        "triggers": [
            {"integration-name": "Userflow", "python-modules": [f"{_USERFLOW}.triggers"]},
            {"integration-name": "Usertour", "python-modules": [f"{_USERTOUR}.triggers"]},
            {"integration-name": "Mirats Quanto", "python-modules": [f"{_MIRATS}.triggers"]},
        ],
        "transfers": [
            *_transfers("Userflow", _USERFLOW, ("to", "from")),
            *_transfers("Usertour", _USERTOUR, ("to", "from")),
            *_transfers("Mirats Quanto", _MIRATS, ("from",)),
        ],
        "asset-uris": [
            {
                "schemes": [scheme],
                "handler": f"{_ASSETS}.sanitize_uri",
                "factory": f"{_ASSETS}.create_{scheme}_asset",
                "to_openlineage_converter": f"{_ASSETS}.convert_asset_to_openlineage",
            }
            for scheme in ("userflow", "usertour", "mirats")
        ],
        "extra-links": [f"{_USERFLOW}.links.UserflowLink"],
        "connection-types": [
            {
                "connection-type": "userflow",
                "hook-name": "Userflow",
                "hook-class-name": f"{_USERFLOW}.hooks.UserflowHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "login"],
                    "relabeling": {"host": "Base URL", "password": "API key"},
                    "placeholders": {
                        "host": "https://api.userflow.com, or https://api.eu.userflow.com for an account in the EU",
                        "port": "443; may stay empty, but without it the Test button of Airflow 3.3.0 to 3.3.2 answers Bad Request",
                        "password": "ak_… of one environment, from Settings > API in Userflow",
                    },
                },
                "conn-fields": {
                    "api_version": {
                        "label": "API version",
                        "description": "Sent as the header Userflow-Version.",
                        "schema": {"type": ["string", "null"], "pattern": r"^\d{4}-\d{2}-\d{2}$", "default": "2020-01-03"},
                    },
                    **_traffic_fields("Userflow may hold a request for 15."),
                    "webhook_secret": {
                        "label": "Webhook secret",
                        "description": "Checks the signature of incoming webhooks.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                },
            },
            {
                "connection-type": "usertour",
                "hook-name": "Usertour",
                "hook-class-name": f"{_USERTOUR}.hooks.UsertourHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "login"],
                    "relabeling": {"host": "Base URL", "password": "API key or token"},
                    "placeholders": {
                        "host": "https://api.usertour.io, or the address of your own server",
                        "port": "443; may stay empty, but without it the Test button of Airflow 3.3.0 to 3.3.2 answers Bad Request",
                        "password": "ak_… of one environment (API v1), or utp_… (API v2), from Settings > API in Usertour",
                    },
                },
                "conn-fields": {
                    "api_version": {
                        "label": "API version",
                        "description": "v1 or v2. Empty: told by how the key begins, ak_ (v1) or utp_ (v2).",
                        "schema": {"type": ["string", "null"], "pattern": r"^v[12]$"},
                    },
                    "project_id": {
                        "label": "Project",
                        "description": "Id of the project; API v2 needs it, v1 ignores it.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "environment_id": {
                        "label": "Environment",
                        "description": "Id of the environment; API v2 needs it, v1 ignores it.",
                        "schema": {"type": ["string", "null"]},
                    },
                    **_traffic_fields("Usertour may hold a request for 15."),
                    "webhook_secret": {
                        "label": "Webhook secret",
                        "description": "Checks the signature of incoming webhooks.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                },
            },
            {
                "connection-type": "mirats_quanto",
                "hook-name": "Mirats Quanto",
                "hook-class-name": f"{_MIRATS}.hooks.MiratsQuantoHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "login"],
                    "relabeling": {"host": "Base URL", "password": "Secret Key"},
                    "placeholders": {
                        "host": "https://api.publisher.miratsquanto.com/api/v1/publisher",
                        "port": "443; may stay empty, but without it the Test button of Airflow 3.3.0 to 3.3.2 answers Bad Request",
                        "password": "the project's Secret Key",
                    },
                },
                "conn-fields": {
                    "web_api_key": {
                        "label": "Web API Key",
                        "description": "The project's Web API Key; it goes with every request, beside the Secret Key.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "ip_salt_secret": {
                        "label": "Salt for IP addresses",
                        "description": "A long random text of your own: exports hash IP addresses with it, unless they drop or keep them.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    **_traffic_fields(),
                },
            },
        ],
    }


def _traffic_fields(about_timeout: str = "") -> dict[str, object]:
    """Describe the extras every vendor's connection takes."""
    return {
        "requests_per_minute": {
            "label": "Requests per minute",
            "description": "The account's limit, or this connection's part of it. Empty: the limit is found by the server's answers.",
            "schema": {"type": ["number", "null"], "minimum": 1},
        },
        "timeout": {
            "label": "Timeout",
            "description": f"Seconds for one attempt, from connecting to the last byte. {about_timeout}".strip(),
            "schema": {"type": ["number", "null"], "minimum": 1, "maximum": 600, "default": 30},
        },
        "concurrency": {
            "label": "Concurrency",
            "description": "Requests under way at once at the most.",
            "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 256, "default": 16},
        },
        "verify": {
            "label": "Verify TLS",
            "description": "true, false, or the path of a CA bundle on the workers.",
            "schema": {"type": ["string", "null"], "default": "true"},
        },
        "proxies": {
            "label": "Proxies",
            "description": 'JSON, for instance {"https": "http://proxy.example.com:3128"}. Empty: those of the environment.',
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "allow_http": {
            "label": "Allow plain http",
            "description": "Send the key unencrypted to a host that is not this machine. For tests in a closed network only.",
            "schema": {"type": "boolean", "default": False},
        },
    }


def _transfers(vendor: str, package: str, directions: tuple[str, ...]) -> list[dict[str, str]]:
    """Describe a vendor's transfers, to and from object storage and SQL databases."""
    return [
        {
            "source-integration-name": vendor if direction == "from" else other,
            "target-integration-name": other if direction == "from" else vendor,
            "python-module": f"{package}.transfers",
        }
        for direction in directions
        for other in ("Common IO", "Common SQL")
    ]
