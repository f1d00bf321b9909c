"""Following Procore's pages: a small state machine that knows only the ``Link`` header (docs/procore-contract.md 1.7).

    Link: <https://api.procore.com/rest/v1.0/vendors?company_id=1&page=2>; rel="next", <...&page=9>; rel="last"

The end is a missing ``next``, never a short page: permission-filtered lists come with short and even empty pages in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from requests.utils import parse_header_links

from include.financials.exceptions import ContractBroken

MAX_EMPTY_PAGES = 200
"""Empty pages in a row that are believed; more of them can only be a loop with ever new addresses."""


def next_link(header: str | None) -> str | None:
    """The address of the next page. A link may have several relations at once (``rel="next last"``)."""
    for link in parse_header_links(header or ""):
        relations = next((text for name, text in link.items() if name.lower() == "rel"), "")
        if "next" in relations.lower().split() and link.get("url"):
            return link["url"]
    return None


def beyond(headers: Mapping[str, str], url: str, rows: list[Any]) -> int | None:
    """The ``Total`` of a reply without a ``Link`` where it lies beyond a page that is full, else None. Beside a ``Link``, or of a
    page with gaps, it tells nothing: what is hidden from the caller may count in it."""
    if headers.get("Link"):
        return None
    query = dict(parse_qsl(urlsplit(url).query))
    total, size = _whole(headers.get("Total")), _whole(headers.get("Per-Page") or query.get("per_page"))
    page = _whole(query.get("page", "1"))
    return total if total and size and page and len(rows) >= size and page * size < total else None


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.strip().isascii() and text.strip().isdecimal() and len(text) < 19 else None


class LinkPaginator:
    """Where to go after each page. Refuses to go in circles, and to take the bearer token to another host.

    :param base_url: scheme and authority that every page must have.
    :param start: absolute address of the first page.
    """

    def __init__(self, base_url: str, start: str) -> None:
        self._base = _origin(base_url)
        self._name = urlsplit(start).path
        self._seen: set[Any] = set()
        self._read: set[str] = set()
        self._empty = 0
        self.url: str | None = None
        self._go(start)

    def update(self, rows: list[Any], link: str | None, total: int | None = None) -> None:
        """Take the rows and ``Link`` header of the page at :attr:`url` and move on to the next one.

        :param total: of :func:`beyond`. Raises ContractBroken where it is told and no next page is: the list would be cut short
            without a word.
        """
        here, target = self.url, next_link(link)
        self.url = None
        if target is None:
            if total is not None:
                raise ContractBroken(
                    f"GET {self._name}: Procore tells of {total} records, and names no page after one that is full; does a proxy "
                    "take the Link header away?"
                )
            return
        ids = [row.get("id") if isinstance(row, dict) else row for row in rows]
        self._empty = 0 if ids else self._empty + 1
        if any(ident is not None for ident in ids):
            if repr(ids) in self._read:
                raise ContractBroken(
                    f"GET {self._name}: a page holds the same {len(ids)} records as one before it; the list goes in a circle"
                )
            self._read.add(repr(ids))
        if self._empty > MAX_EMPTY_PAGES:
            raise ContractBroken(f"GET {self._name}: {self._empty} empty pages in a row and still another one is announced")
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
