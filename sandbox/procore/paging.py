"""v1 paging: ``page`` and ``per_page`` in, ``Total``, ``Per-Page`` and ``Link`` out (docs/procore-contract.md §1.7)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from sandbox.procore.attributes import Wrong, whole
from sandbox.procore.call import Call
from sandbox.procore.errors import Invalid
from sandbox.procore.schema import Paging

FARTHEST = 10**12
"""Number of a page; what lies beyond is as empty, and its offset is a number that the store can take."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of ``total`` records; ``number`` counts from 1."""

    number: int
    size: int
    total: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size

    @property
    def last(self) -> int:
        return max(1, -(-self.total // self.size))

    def links(self) -> dict[str, int]:
        """Page numbers by relation, with Procore's quirks: page 1 has no first, page 2 has no prev."""
        found: dict[str, int] = {}
        if self.number > 1:
            found["first"] = 1
        if self.number > 2:
            found["prev"] = self.number - 1
        if self.number < self.last:
            found["next"] = self.number + 1
        found["last"] = self.last
        return found

    def headers(self, call: Call) -> dict[str, str]:
        found = {"Total": str(self.total), "Per-Page": str(self.size)}
        if self.last > 1:
            base = call.headers.get("host", "127.0.0.1")
            others = [(key, value) for key, value in call.args if key not in ("page", "per_page")]
            found["Link"] = ", ".join(
                f'<http://{base}{call.path}?{urlencode([*others, ("page", number), ("per_page", self.size)])}>; rel="{relation}"'
                for relation, number in self.links().items()
            )
        return found


def page_of(call: Call, paging: Paging, total: int) -> Page:
    """The page asked for; a ``per_page`` above the endpoint's maximum is cut to it. Raises 400 for text that is no number."""
    numbers: dict[str, int] = {"page": 1, "per_page": paging.default}
    for name in numbers:
        given = call.arg(name)
        try:
            numbers[name] = max(1, whole(given)) if given is not None else numbers[name]
        except Wrong as problem:
            raise Invalid({name: [str(problem)]}) from None
    return Page(min(numbers["page"], FARTHEST), min(numbers["per_page"], paging.most), total)
