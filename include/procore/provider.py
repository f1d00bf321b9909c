"""What Airflow's provider registry learns about this project: the connection type ``procore`` and its form.

Registered by the entry point ``apache_airflow_provider`` in ``pyproject.toml``. Airflow calls :func:`get_provider_info` in every
process that lists providers, so nothing is imported here.
"""

from __future__ import annotations

from typing import Any

PACKAGE_NAME = "procore-erp-sync"
"""Name of the distribution; Airflow refuses a provider whose description carries another name."""

_OPTIONAL_TEXT = {"type": ["string", "null"]}


def get_provider_info() -> dict[str, Any]:
    """Describe the provider in the form of Airflow's ``provider_info.schema.json``.

    The keys under ``conn-fields`` are the keys of the connection's ``extra`` that ``ProcoreHook`` reads.
    """
    return {
        "package-name": PACKAGE_NAME,
        "name": "Procore ERP sync",
        "description": "Keeps a Procore company and an ERP company in step.",
        "integrations": [
            {"integration-name": "Procore", "external-doc-url": "https://developers.procore.com/", "tags": ["service"]}
        ],
        "hooks": [{"integration-name": "Procore", "python-modules": ["include.procore.hook"]}],
        "connection-types": [
            {
                "connection-type": "procore",
                "hook-name": "Procore",
                "hook-class-name": "include.procore.hook.ProcoreHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port"],
                    "relabeling": {"host": "API base URL", "login": "Client ID", "password": "Client secret"},
                    "placeholders": {
                        "host": "https://api.procore.com",
                        "login": "client id of the service account (DMSA)",
                        "password": "client secret of the service account",
                    },
                },
                "conn-fields": {
                    "company_id": {
                        "label": "Company ID",
                        "description": "Procore company that every call is made for (header Procore-Company-Id). Digits only.",
                        "schema": {**_OPTIONAL_TEXT, "pattern": "^[0-9]+$"},
                    },
                    "login_url": {
                        "label": "Login URL",
                        "description": "Where tokens are issued. Leave empty for the one that belongs to the API base URL.",
                        "schema": _OPTIONAL_TEXT,
                    },
                },
            }
        ],
    }
