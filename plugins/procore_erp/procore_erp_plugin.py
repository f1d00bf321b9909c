"""Registers the receiver of Procore's events (POST /procore/webhooks on Airflow's API server) and what is imported ahead."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from include.provider import preload
from include.provider.door import at_hand, door
from include.provider.receiver import create_app


class ProcoreErpPlugin(AirflowPlugin):
    name = "procore_erp"
    fastapi_apps = [{"app": create_app(door, at_hand), "url_prefix": "/procore", "name": "Procore events"}]  # noqa: RUF012
    listeners = [preload]  # noqa: RUF012
