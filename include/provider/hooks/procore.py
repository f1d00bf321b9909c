"""Airflow's door to Procore: resolves a connection and builds the client that does the work."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import requests
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.log import mask_secret

from include.financials.exceptions import ConfigurationError, SyncError
from include.procore.client import CONNECT_TIMEOUT, READ_TIMEOUT, ProcoreClient
from include.procore.described import DescribedProcore
from include.provider.connections import connection_of, web_address

if TYPE_CHECKING:
    from airflow.sdk import Connection

TIMEOUT = (CONNECT_TIMEOUT, READ_TIMEOUT)


class ProcoreHook(HttpHook):
    """Interact with Procore's REST API through an Airflow connection of type ``procore``.

    Two doors: :attr:`client`, which the sync uses (errors named by what to do next, repetition, pages, Decimal), and all of
    ``HttpHook``, so that Airflow's own HTTP operators work: :meth:`run` gives a ``requests.Response`` and raises as it does.

    The connection: ``host`` is the API base URL (``https://api.procore.com``, ``http://127.0.0.1:8765``), ``login`` and
    ``password`` are client id and secret of a developer managed service account; extra ``company_id`` (number or text) and
    ``login_url`` (optional, derived from the host).

    :param procore_conn_id: the Airflow connection.
    :param method: HTTP method of :meth:`run`; other parameters of ``HttpHook`` are taken as they are, but credentials come from
        the connection only.
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
    def _connection(self) -> Connection:
        return connection_of(self.procore_conn_id, self.conn_type)

    @cached_property
    def described(self) -> DescribedProcore:
        """What the connection tells of the company without its credentials: where it is, its number, where its pages are."""
        connection = self._connection
        host = web_address(connection, "https")
        company = connection.extra_dejson.get("company_id")
        if isinstance(company, bool) or not isinstance(company, int | str) or not host:
            raise ConfigurationError(
                f"Connection {self.procore_conn_id} needs the API base URL as host and company_id (digits) in its extra"
            )
        return DescribedProcore(host, company)

    @cached_property
    def client(self) -> ProcoreClient:
        """The client of this connection. Token and call budget are shared with every other client of the process."""
        connection, place = self._connection, self.described
        if secret := connection.password or "":
            mask_secret(secret)
        login_url = connection.extra_dejson.get("login_url") or ""
        if not isinstance(login_url, str):
            raise ConfigurationError(
                f"Connection {self.procore_conn_id}: login_url in its extra is a text, as https://login.procore.com, or left out"
            )
        return self.from_parts(
            place.base_url, login_url.strip() or None, place.company_id, connection.login or "", secret,
            on_call=self._on_call, on_secret=mask_secret,
        )  # fmt: skip

    def get_conn(self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None) -> requests.Session:
        """A session that carries token and company header, keeps to the call budget and renews its token.

        :meth:`run` (of ``HttpHook``, so that Airflow's own operators and sensors work with this connection) sends its requests
        through it. ``extra_options`` are those of ``HttpHook``: ``timeout`` (s, default as the client's), ``check_response``,
        ``allow_redirects``, ``verify``, ``cert``, ``proxies``, ``stream``, ``max_redirects``, ``trust_env``.
        """
        session = self.client.session(headers)
        options = {"timeout": TIMEOUT, **(extra_options or {})}
        for name in ("proxies", "stream", "cert", "max_redirects", "trust_env"):
            if name in options:
                setattr(session, name, options[name])
        session.verify = options.get("verify", options.get("verify_ssl", True))
        self.merged_extra = options
        self.base_url = self.client.base_url
        self._base_url_initialized = True
        return session

    def url_from_endpoint(self, endpoint: str | None) -> str:
        """The address of a path under the API host."""
        return f"{self.client.base_url}/{(endpoint or '').lstrip('/')}"

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
