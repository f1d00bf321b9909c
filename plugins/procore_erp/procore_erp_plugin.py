"""Registers the receiver of Procore's events on Airflow's API server: POST /procore/webhooks, and nothing else."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from include.provider.door import at_hand, door
from include.provider.receiver import create_app


class ProcoreErpPlugin(AirflowPlugin):
    name = "procore_erp"
    fastapi_apps = [{"app": create_app(door, at_hand), "url_prefix": "/procore", "name": "Procore events"}]  # noqa: RUF012
