"""The settings as Airflow holds them: a Variable that replaces the file as a whole (docs/go-live.md)."""

from __future__ import annotations

from airflow.sdk import Variable

from include.financials.settings import Settings, load

SETTINGS_VARIABLE = "procore_erp_sync_settings"


def current_settings() -> Settings:
    """Read anew at each call. Raises ConfigurationError where they make no sense."""
    return load(Variable.get(SETTINGS_VARIABLE, default=None))
