"""Waiting for something in Procore, with all of Airflow's ``HttpSensor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.http.sensors.http import HttpSensor
from airflow.sdk.bases.decorator import determine_kwargs
from airflow.sdk.exceptions import AirflowException

from include.provider.hooks.procore import ProcoreHook
from include.provider.operators.base import told

if TYPE_CHECKING:
    from airflow.sdk import PokeReturnValue
    from airflow.sdk.definitions.context import Context


class ProcoreSensor(HttpSensor):
    """``HttpSensor`` with a connection of type ``procore``. Airflow's own makes a plain ``HttpHook`` whatever the connection is,
    which would send client id and secret with each request instead of a token.

    :param procore_conn_id: connection of type ``procore``.
    :param endpoint: path under the API host; this and all other parameters are those of ``HttpSensor``, but it does not defer:
        ``mode="reschedule"`` gives the slot back.
    """

    def __init__(self, *, procore_conn_id: str = "procore_default", **kwargs: Any) -> None:
        super().__init__(http_conn_id=procore_conn_id, deferrable=False, **kwargs)

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """One request. A status of ``response_error_codes_allowlist`` (404 unless given) means: not yet; a spent budget of calls
        gives the slot back until there is one again."""
        with told(context):
            hook = ProcoreHook(self.http_conn_id, method=self.method)
            try:
                reply = hook.run(self.endpoint, self.request_params, self.headers, self.extra_options, **self.request_kwargs)
            except AirflowException as error:
                if str(error).startswith(self.response_error_codes_allowlist):
                    return False
                raise
        if self.response_check is None:
            return True
        found: bool | PokeReturnValue = self.response_check(reply, **determine_kwargs(self.response_check, [reply], context))
        return found
