"""Addresses of Procore: what a connection may name, which login belongs to it, and what a log may show of one."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote, urlsplit

from include.financials.exceptions import ConfigurationError

LOGIN_HOSTS = {
    "api.procore.com": "https://login.procore.com",
    "sandbox.procore.com": "https://login-sandbox.procore.com",
    "api-monthly.procore.com": "https://login-sandbox-monthly.procore.com",
    "api-sandbox-monthly.procore.com": "https://login-sandbox-monthly.procore.com",
    "api.procoregov.com": "https://login.procoregov.com",
}
"""API host -> login host (docs/procore-contract.md 1.1). Any other host, such as the sandbox's, issues its own tokens."""

_SHOWN = {
    "page",
    "per_page",
    "view",
    "project_id",
    "company_id",
    "standard_cost_code_list_id",
    "filters[include_deleted]",
    "filters[by_status]",
}
"""Query parameters that a log may show; filters can hold names and numbers of people's documents."""


def clean_url(url: str, what: str) -> str:
    """Scheme and authority of ``url``, checked; raises ConfigurationError with what is wrong."""
    try:
        parts = urlsplit(url.strip() if "://" in url else f"https://{url.strip()}")
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    host = host.rstrip(".") if host else None  # `api.procore.com.` is the same host, and must not pass for another one
    if parts.scheme not in ("http", "https") or not host or not _HOST.fullmatch(host):
        raise ConfigurationError(f"{what} must look like https://api.procore.com")
    if "@" in parts.netloc:
        raise ConfigurationError(f"{what} must not hold credentials; use login and password")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(f"{what} must end after the host name: paths are added to it")
    if parts.scheme == "http" and not _loopback(host):
        raise ConfigurationError(
            f"{what} must begin with https://, or the credentials travel in the clear; plain http is "
            "for this machine (127.0.0.1 or localhost), as for a sandbox"
        )
    # The port that the scheme implies is left out: the server's own links, which must begin alike, do so.
    shown = f":{port}" if port and port != {"http": 80, "https": 443}[parts.scheme] else ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{shown}"


def clean_address(url: str, what: str) -> str:
    """As :func:`clean_url`, of an address with a path."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if set(path) & set("?# "):
        raise ConfigurationError(f"{what} must end after its path")
    return clean_url(f"{scheme}://{host}", what) + (f"/{path}" if path else "")


def company_number(company_id: int | str) -> str:
    """A company's id as Procore writes it, checked; raises ConfigurationError."""
    number = str(company_id).strip()
    if isinstance(company_id, bool) or not re.fullmatch(r"[0-9]{1,19}", number):
        raise ConfigurationError("company_id in the extra of the Procore connection must be the number of a Procore company")
    return str(int(number))


_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def login_url_for(base_url: str) -> str:
    """The login host that belongs to an API host."""
    return LOGIN_HOSTS.get(urlsplit(base_url).hostname or "", base_url)


def redact(url: str) -> str:
    """Path and harmless parameters of an address, for logs and messages."""
    parts = urlsplit(url)
    pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
    decoded = [(unquote(name), value) for name, _, value in pairs]
    shown = "&".join(f"{name}={value if name in _SHOWN else '***'}" for name, value in decoded)
    return parts.path + (f"?{shown}" if shown else "")
