"""Sessions of requests: the company's header, the bearer token, and one that is open to calls that others make."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from include.financials.exceptions import ConfigurationError
from include.procore.address import redact
from include.procore.pacing import limited
from include.procore.timed import Timed

if TYPE_CHECKING:
    from include.procore.client import ProcoreClient


class Bearer(requests.auth.AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class OpenSession(requests.Session):
    """See :meth:`ProcoreClient.session`."""

    def __init__(self, client: ProcoreClient) -> None:
        super().__init__()
        self._client = client
        self.auth = self._authorize

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return Bearer(self._client.token())(request) if self._ours(request) else request

    def _ours(self, request: requests.PreparedRequest) -> bool:
        return (request.url or "").startswith(f"{self._client.base_url}/")

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if not self._ours(request):  # a redirect to a file store: neither token nor budget concern it
            return super().send(request, **options)
        self._client.paced(f"{request.method} {redact(request.url or '')}")
        response = super().send(request, **options)
        given = request.headers.get("Authorization", "")
        if response.status_code == 401 and given.startswith("Bearer "):
            response.close()
            Bearer(self._client.token(refused=given.removeprefix("Bearer ")))(request)
            response = super().send(request, **options)
        self._client.pace.observe(response.headers, hold=response.status_code != 429)
        if response.status_code == 429:
            self._client.pace.hold(limited(response.headers))
        return response


def session(company_id: str, session: requests.Session | None = None) -> requests.Session:
    session = session or requests.Session()
    session.headers.update({"Procore-Company-Id": company_id, "Accept": "application/json", "User-Agent": "procore-erp-sync"})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, Timed(pool_maxsize=8, max_retries=0))
    return session


def surroundings(session: requests.Session, url: str) -> dict[str, Any]:
    """Proxies and CA bundle of the environment, as ``requests.Session.request`` would take them for ``url``; verification stays
    on. Raises ConfigurationError for a bundle that is not there."""
    found = session.merge_environment_settings(url, {}, True, None, None)
    bundle = found["verify"] or True
    if isinstance(bundle, str) and not Path(bundle).exists():
        raise ConfigurationError(
            f"The certificates to trust, {bundle}, are not there: correct REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE) in the "
            "environment of Airflow's workers."
        )
    return {"proxies": found["proxies"], "verify": bundle, "cert": found["cert"]}


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from taking credentials for the login host out of a .netrc file."""
    return request
