"""Following Procore's pages: a small state machine that knows only the ``Link`` header (docs/procore-contract.md 1.7).

    Link: <https://api.procore.com/rest/v1.0/vendors?company_id=1&page=2>; rel="next", <...&page=9>; rel="last"

The end is a missing ``next``, never a short page: permission-filtered lists come with short and even empty pages in between.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from requests.utils import parse_header_links

from include.financials.exceptions import ContractBroken

MAX_EMPTY_PAGES = 200
"""Empty pages in a row that are believed; more of them can only be a loop with ever new addresses."""


def next_link(header: str | None) -> str | None:
    if not header:
        return None
    return next(
        (link["url"] for link in parse_header_links(header) if link.get("rel", "").lower() == "next" and link.get("url")), None
    )


class LinkPaginator:
    """Where to go after each page. Refuses to go in circles, and to take the bearer token to another host.

    :param base_url: scheme and authority that every page must have.
    :param start: absolute address of the first page.
    """

    def __init__(self, base_url: str, start: str) -> None:
        self._base = _origin(base_url)
        self._name = urlsplit(start).path
        self._seen: set[Any] = set()
        self._last_ids: list[Any] | None = None
        self._empty = 0
        self.url: str | None = None
        self._go(start)

    def update(self, rows: list[Any], link: str | None) -> None:
        """Take the rows and ``Link`` header of the page at :attr:`url` and move on to the next one."""
        here, target = self.url, next_link(link)
        self.url = None
        if target is None:
            return
        ids = [row.get("id") if isinstance(row, dict) else row for row in rows]
        self._empty = 0 if ids else self._empty + 1
        if any(ident is not None for ident in ids) and ids == self._last_ids:
            raise ContractBroken(
                f"GET {self._name}: two pages in a row hold the same {len(ids)} records; the list goes in a circle"
            )
        if self._empty > MAX_EMPTY_PAGES:
            raise ContractBroken(f"GET {self._name}: {self._empty} empty pages in a row and still another one is announced")
        self._last_ids = ids or self._last_ids
        self._go(urljoin(here or "", target))

    def _go(self, url: str) -> None:
        if _origin(url) != self._base:
            raise ContractBroken(
                f"GET {self._name}: the next page is said to be on {urlsplit(url).netloc or 'another host'}; not followed"
            )
        parts = urlsplit(url)
        key = (parts.path, tuple(sorted(parse_qsl(parts.query, keep_blank_values=True))))
        if key in self._seen:
            raise ContractBroken(f"GET {self._name}: the next page is one that was read before; the list goes in a circle")
        self._seen.add(key)
        self.url = url


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme.lower(), parts.hostname, port or {"http": 80, "https": 443}.get(parts.scheme.lower())
