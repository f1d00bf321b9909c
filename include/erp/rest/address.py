"""Where a web service is, and who asks: the address of the connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from include.erp.json.patterns import filled
from include.erp.mapping.block import suggest
from include.financials.exceptions import ConfigurationError

LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Address:
    """``https://login:password@host/path?tenant=...``. Its text has no password."""

    root: str
    """Scheme, host and path, without a slash at the end."""
    login: str
    password: str
    parts: Mapping[str, str]
    """What stands after ``?``, and what the mapping says of what is left out."""

    @classmethod
    def of(cls, url: str, known: Mapping[str, str | None]) -> Address:
        """Raises ConfigurationError, without the password, for an address that lacks a part or has one too many."""
        found = urlsplit(url)
        if found.scheme not in ("http", "https") or not found.hostname:
            raise ConfigurationError("The ERP's address must be https://login:password@host/path, and names scheme and host.")
        root = urlunsplit((found.scheme, found.netloc.rpartition("@")[2], found.path.rstrip("/"), "", ""))
        encrypted(root)
        given = dict(parse_qsl(found.query, keep_blank_values=True))
        for name in given:
            if name not in known:
                raise ConfigurationError(f"{root}: the mapping's `address` has no {name!r}{suggest(name, known)}")
        parts = {name: given.get(name, default) for name, default in known.items()}
        if missing := [name for name, value in parts.items() if value is None]:
            raise ConfigurationError(f"{root}: the address must say {missing[0]}: {root}?{missing[0]}=...")
        complete = {name: value for name, value in parts.items() if value is not None}
        return cls(root, unquote(found.username or ""), unquote(found.password or ""), complete)

    def fill(self, text: str) -> str:
        return filled(text, self.parts)

    def __repr__(self) -> str:
        return f"{self.root} as {self.login}" if self.login else self.root

    __str__ = __repr__


def encrypted(url: str) -> None:
    """Raises ConfigurationError where a secret would travel in plain text."""
    found = urlsplit(url)
    if found.scheme != "https" and found.hostname not in LOCAL:
        raise ConfigurationError(f"{url} would send the password in plain text. Give the ERP's address as https://.")
