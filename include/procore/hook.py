"""Airflow's door to Procore: resolves a connection and builds the client that does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import requests
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.log import mask_secret

from include.financials.exceptions import ConfigurationError, SyncError
from include.procore.client import ProcoreClient, Reply


class ProcoreHook(HttpHook):
    """Interact with Procore's REST API through an Airflow connection of type ``procore``.

    The connection: ``host`` is the API base URL (``https://api.procore.com``, ``http://127.0.0.1:8765``), ``login`` and
    ``password`` are client id and secret of a developer managed service account; extra ``company_id`` (number or text) and
    ``login_url`` (optional, derived from the host).

    :param procore_conn_id: the Airflow connection.
    :param method: HTTP method of :meth:`run`.
    :param on_call: told ``(method, path, status, seconds)`` after each request; status 0 when there was no answer.
    """

    conn_name_attr = "procore_conn_id"
    default_conn_name = "procore_default"
    conn_type = "procore"
    hook_name = "Procore"

    def __init__(
        self,
        procore_conn_id: str = default_conn_name,
        method: str = "GET",
        *,
        on_call: Callable[[str, str, int, float], None] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(method=method, http_conn_id=procore_conn_id, **kwargs)
        self.procore_conn_id = procore_conn_id
        self._on_call = on_call

    @classmethod
    def from_parts(
        cls, base_url: str, login_url: str | None, company_id: int | str, client_id: str, client_secret: str, **options: Any
    ) -> ProcoreClient:
        """The client without a connection, for scripts and tests; ``options`` are those of :class:`ProcoreClient`."""
        return ProcoreClient(base_url, login_url, company_id, client_id, client_secret, **options)

    @cached_property
    def client(self) -> ProcoreClient:
        """The client of this connection. Token and call budget are shared with every other client of the process."""
        connection = self.get_connection(self.procore_conn_id)
        extra = connection.extra_dejson
        host = connection.host or ""
        if host and "://" not in host and connection.schema:
            host = f"{connection.schema}://{host}"
        if connection.port:
            host = f"{host}:{connection.port}"
        secret = connection.password or ""
        if secret:
            mask_secret(secret)
        company = extra.get("company_id")
        if isinstance(company, bool) or not isinstance(company, int | str) or not host:
            raise ConfigurationError(
                f"Connection {self.procore_conn_id} needs the API base URL as host and company_id (digits) in its extra"
            )
        login_url = extra.get("login_url") or None
        return self.from_parts(
            host, login_url, company, connection.login or "", secret, on_call=self._on_call, on_secret=mask_secret
        )

    def get_conn(self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None) -> requests.Session:
        """A session for calls that the client has no method for (a file download). It carries token and company header."""
        self.base_url = self.client.base_url
        self._base_url_initialized = True
        return self.client.session(headers)

    def run(  # type: ignore[override]
        self,
        endpoint: str | None = None,
        data: Mapping[str, Any] | None = None,
        headers: dict[str, Any] | None = None,
        extra_options: dict[str, Any] | None = None,
        **request_kwargs: Any,
    ) -> Reply:
        """One call with :attr:`method`: ``data`` are query parameters of a GET and the JSON body of any other method.

        :param endpoint: path under the API host, e.g. ``/rest/v1.0/vendors``.
        :param request_kwargs: ``params`` and ``json`` as in requests; anything else is not supported.
        """
        if headers or extra_options or set(request_kwargs) - {"params", "json"}:
            raise ConfigurationError(
                "ProcoreHook.run takes endpoint, data, params and json only; headers are the client's business"
            )
        params, body = request_kwargs.get("params"), request_kwargs.get("json")
        if data is not None:
            params, body = (data, body) if self.method == "GET" else (params, data)
        return self.client.request(self.method, f"/{(endpoint or '').lstrip('/')}", params=params, body=body)

    def test_connection(self) -> tuple[bool, str]:
        """For the *Test* button: a token, the service account's name and whether it sees the company."""
        try:
            client = self.client
            me = client.get("/rest/v1.0/me", {"company_id": client.company_id}).object
            companies = [row for page in client.pages("/rest/v1.0/companies", per_page=100) for row in page.rows]
        except SyncError as error:
            return False, str(error)
        company = next((row for row in companies if isinstance(row, dict) and str(row.get("id")) == client.company_id), None)
        if company is None:
            return (
                False,
                f"{me.get('login')} does not see company {client.company_id}: install the app in it, or correct company_id",
            )
        return True, f"Connected to {company.get('name')} ({client.company_id}) as {me.get('login')}"

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        return {
            "hidden_fields": ["schema", "port"],
            "relabeling": {"host": "API base URL", "login": "Client ID", "password": "Client secret"},
            "placeholders": {"host": "https://api.procore.com", "extra": '{"company_id": 1234}'},
        }
