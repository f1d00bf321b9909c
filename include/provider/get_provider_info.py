"""What Airflow's provider registry learns about this project: connection types and their forms, hooks, operators, links.

Registered by the entry point ``apache_airflow_provider`` in ``pyproject.toml``. Airflow calls :func:`get_provider_info` in every
process that lists providers, so nothing is imported here.
"""

from __future__ import annotations

from typing import Any

PACKAGE_NAME = "procore-erp-sync"
"""Name of the distribution; Airflow refuses a provider whose description carries another name."""

_OPTIONAL_TEXT = {"type": ["string", "null"]}
_DIALECT = {
    "label": "Dialect",
    "description": "SQLAlchemy's name of database and driver, e.g. postgresql+psycopg2 or mssql+pyodbc. Empty for a SQLite file. "
    "The scheme (https, sftp) of an ERP that is no database.",
    "schema": _OPTIONAL_TEXT,
}
_QUERY = {
    "label": "Driver options",
    "description": "What the driver wants to know besides, e.g. sslmode=require&application_name=sync. No passwords.",
    "schema": _OPTIONAL_TEXT,
}
_DATABASE = {
    "hidden-fields": [],
    "relabeling": {"schema": "Database", "login": "User"},
    "placeholders": {
        "host": "db.internal (empty for SQLite)",
        "schema": "name of the database, or path of a SQLite file",
        "login": "user of the database",
        "password": "kept encrypted, masked in logs",
    },
}
"""Form of the fields that Airflow has for a database."""


def get_provider_info() -> dict[str, Any]:
    """Describe the provider in the form of Airflow's ``provider_info.schema.json``.

    The keys under ``conn-fields`` are the keys of the connection's ``extra`` that the hook reads.
    """
    return {
        "package-name": PACKAGE_NAME,
        "name": "Procore ERP sync",
        "description": "Keeps a Procore company and an ERP company in step.",
        "integrations": [
            {"integration-name": "Procore", "external-doc-url": "https://developers.procore.com/", "tags": ["service"]},
            {"integration-name": "Procore sync", "tags": ["software"]},
        ],
        "hooks": [
            {"integration-name": "Procore", "python-modules": ["include.provider.hooks.procore"]},
            {
                "integration-name": "Procore sync",
                "python-modules": ["include.provider.hooks.erp", "include.provider.hooks.ledger"],
            },
        ],
        "operators": [
            {
                "integration-name": "Procore sync",
                "python-modules": [
                    "include.provider.operators.head",
                    "include.provider.operators.entity",
                    "include.provider.operators.result",
                ],
            }
        ],
        "sensors": [{"integration-name": "Procore", "python-modules": ["include.provider.sensors"]}],
        "extra-links": ["include.provider.links.ProcoreRecordLink", "include.provider.links.ErpRecordLink"],
        "connection-types": [
            {
                "connection-type": "procore",
                "hook-name": "Procore",
                "hook-class-name": "include.provider.hooks.procore.ProcoreHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {"host": "API base URL", "login": "Client ID", "password": "Client secret"},
                    "placeholders": {
                        "host": "https://api.procore.com",
                        "port": "443",
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
            },
            {
                "connection-type": "procore_erp",
                "hook-name": "Procore sync: ERP",
                "hook-class-name": "include.provider.hooks.erp.ErpHook",
                "ui-field-behaviour": _DATABASE,
                "conn-fields": {
                    "dialect": _DIALECT,
                    "mapping": {
                        "label": "Mapping",
                        "description": "Path ending in .yaml, or the name of a file in include/mappings without it.",
                        "schema": _OPTIONAL_TEXT,
                    },
                    "writes": {
                        "label": "Connection for documents",
                        "description": "Id of a second connection of this type, where the mapping writes by a way of its own.",
                        "schema": _OPTIONAL_TEXT,
                    },
                    "settings": {
                        "label": "Choices",
                        "description": 'Of those that the mapping offers, e.g. {"ap_invoices": "posted"}. Empty for its own.',
                        "schema": {"type": ["object", "null"]},
                    },
                    "query": _QUERY,
                },
            },
            {
                "connection-type": "sync_ledger",
                "hook-name": "Procore sync: ledger",
                "hook-class-name": "include.provider.hooks.ledger.LedgerHook",
                "ui-field-behaviour": _DATABASE,
                "conn-fields": {
                    "dialect": _DIALECT,
                    "staging": {
                        "label": "Staging folder",
                        "description": "Where pages of records and reports lie: file:///absolute/path, or object storage.",
                        "schema": _OPTIONAL_TEXT,
                    },
                    "query": _QUERY,
                },
            },
        ],
    }
