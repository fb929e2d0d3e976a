"""What Airflow is told about this package. Data only: Airflow reads it in every process, so nothing is imported here.

Secret fields carry names that Airflow masks by itself (`…secret…`, `proxies`): `format: password` hides a value in the
form, but the answers of Airflow's API are redacted by the field's name alone. Defaults are what the form shows; a
connection from the environment has none of them, so the hook applies its own, which are the same.
"""

_USERFLOW = "airflow_provider.engagement.userflow"


def get_provider_info() -> dict[str, object]:
    """Describe the package to Airflow (entry point `apache_airflow_provider`)."""
    return {
        "package-name": "airflow-provider-engagement",
        "name": "Engagement",
        "description": "Userflow, Usertour and Mirats Quanto: push users, groups and events, wait for flows and surveys, export sessions.",
        "integrations": [
            {"integration-name": "Userflow", "external-doc-url": "https://userflow.com/docs/api", "tags": ["service"]},
        ],
        "hooks": [{"integration-name": "Userflow", "python-modules": [f"{_USERFLOW}.hooks"]}],
        "operators": [{"integration-name": "Userflow", "python-modules": [f"{_USERFLOW}.operators"]}],
        "sensors": [{"integration-name": "Userflow", "python-modules": [f"{_USERFLOW}.sensors"]}],
        "triggers": [{"integration-name": "Userflow", "python-modules": [f"{_USERFLOW}.triggers"]}],
        "transfers": [
            {
                "source-integration-name": "Userflow",
                "target-integration-name": "Common IO",
                "python-module": f"{_USERFLOW}.transfers",
            },
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
                    **_traffic_fields(),
                    "webhook_secret": {
                        "label": "Webhook secret",
                        "description": "Checks the signature of incoming webhooks.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                },
            },
        ],
    }


def _traffic_fields() -> dict[str, object]:
    """Describe the extras every vendor's connection takes."""
    return {
        "requests_per_minute": {
            "label": "Requests per minute",
            "description": "The account's limit, or this connection's part of it. Empty: the limit is found by the server's answers.",
            "schema": {"type": ["number", "null"], "minimum": 1},
        },
        "timeout": {
            "label": "Timeout",
            "description": "Seconds for one attempt, from connecting to the last byte. Userflow may hold a request for 15.",
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
