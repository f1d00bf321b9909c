"""A pair of documents, a figure of both, and what explains their difference (docs/domain-rules.md 4.2, 4.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from include.financials.judging.rules import PRECEDENCE
from include.financials.money import ZERO
from include.financials.statuses import UNPOSTED


@dataclass(frozen=True, slots=True)
class Explained:
    """One legitimate difference (docs/domain-rules.md 4.3): ``code`` of the closed list, the record, its amount (or count)."""

    code: str
    entity: str
    key: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Difference:
    tie: str
    procore: Decimal
    erp: Decimal
    project: str | None = None
    cost_key: str | None = None
    procore_id: str | None = None
    erp_id: str | None = None
    explained: tuple[Explained, ...] = ()

    @property
    def unexplained(self) -> Decimal:
        return self.procore - self.erp - sum((item.amount for item in self.explained), Decimal(0))

    def as_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("tie", "project", "cost_key", "procore_id", "erp_id")}
        return plain | {
            "procore": format(self.procore, "f"),
            "erp": format(self.erp, "f"),
            "explained": [
                {"code": i.code, "entity": i.entity, "key": i.key, "amount": format(i.amount, "f")} for i in self.explained
            ],
            "unexplained": format(self.unexplained, "f"),
        }


@dataclass(slots=True)
class Document:
    """One pair: both sides' figures (empty: that side has no such document), and the state that explains a difference."""

    entity: str
    number: str
    project: str | None
    company: str = ""
    key: str = ""
    procore_id: str | None = None
    erp_id: str | None = None
    state: str | None = None
    procore: Mapping[str, Any] = field(default_factory=dict)
    erp: Mapping[str, Any] = field(default_factory=dict)
    after_cutoff: bool = False
    accepted: bool = False
    opening: bool = False
    """Part of its contract's opening balance: the ERP's invoice explains itself, Procore's draw by the balance as a whole."""
    planned: bool = False
    """In plan mode: one side is what would be written."""
    due: bool = True
    """Whether Procore's document counts: one that lost its approval, is void or deleted counts for nothing, though its contract's
    running figures may still have it."""
    handed: bool = False
    """The ERP has accepted it and not posted it."""
    linked: bool = False
    """Both sides have agreed on it: what it waits for since, or what is wrong with it, is no reason to differ in money."""

    @property
    def pair(self) -> dict[str, str | None]:
        return {"project": self.project, "procore_id": self.procore_id, "erp_id": self.erp_id}

    @property
    def skipped(self) -> bool:
        """Not due by design and unknown to the other side."""
        return self.state == "skipped" and not (self.procore and self.erp)

    @property
    def unread(self) -> bool:
        """One side's record cannot be read: its figures are the last known, or what its row tells."""
        return bool(self.procore.get("unread") or self.erp.get("unread"))

    @property
    def unposted(self) -> bool:
        return self.erp.get("status") == UNPOSTED

    @property
    def sequence(self) -> int:
        return int(self.procore.get("sequence") or self.erp.get("sequence") or 0)

    def figure(self, name: str) -> Any:
        """A fact that both sides hold alike, from the one that has it. The ERP's first: what Procore's document refers to and
        nothing is linked to has no key of the ERP yet."""
        return self.erp.get(name) or self.procore.get(name)

    def money(self, side: str, name: str) -> Decimal:
        return self.stated(side, name) if side == "erp" or self.due else ZERO

    def stated(self, side: str, name: str) -> Decimal:
        """The figure as its side states it, whether the document counts or not."""
        held = self.procore if side == "procore" else self.erp
        return Decimal(held.get(name) or "0.00")

    @property
    def counted(self) -> Mapping[str, Any]:
        """Procore's figures as far as they count."""
        return self.procore if self.due else {}

    def lines(self) -> Iterator[tuple[str, str, Decimal, Decimal]]:
        """(key, cost key, Procore's amount, the ERP's) of each line that one side has."""
        mine, theirs = ({line["key"]: line for line in held.get("lines", ())} for held in (self.counted, self.erp))
        for key in dict.fromkeys([*mine, *theirs]):
            p, e = mine.get(key), theirs.get(key)
            yield key, (p or e or {})["x"], Decimal(p["amount"]) if p else ZERO, Decimal(e["amount"]) if e else ZERO

    def by_x(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Procore's and the ERP's amount per cost key: a line that moved to another code is a difference of both."""
        found: dict[str, list[Decimal]] = {}
        for side, held in enumerate((self.counted, self.erp)):
            for line in held.get("lines", ()):
                found.setdefault(line["x"], [ZERO, ZERO])[side] += Decimal(line["amount"])
        return {x: (p, e) for x, (p, e) in found.items()}

    def explain(self, difference: Decimal, *, unposted: bool = False, not_eligible: bool = False) -> tuple[Explained, ...]:
        """A stopped document explains its own difference, with the code of :meth:`why`."""
        code = self.why(unposted=unposted, not_eligible=not_eligible) if difference else None
        return (Explained(code, self.entity, self.number, difference),) if code else ()

    def why(self, *, unposted: bool = False, not_eligible: bool = False) -> str | None:
        """The code by which it may explain a difference; None: it may not. One that is linked may only where it is disputed or
        blocked, and one that only the ERP knows not before a person has accepted it as it is (``decide accept``): a balance from
        before go-live. ``unposted``: the ERP's figure leaves out what waits in a batch; ``not_eligible``: Procore's counts
        documents that are not due."""
        if self.opening and self.procore and not self.erp:
            return None
        if self.accepted or self.opening:
            return "OPENING"
        if self.after_cutoff:
            return "AFTER_CUTOFF"
        if self.unread:
            return "QUARANTINED"
        if self.handed:
            return "UNPOSTED"
        if self.state in PRECEDENCE and not (self.linked and self.state in ("held", "quarantined")):
            return str(self.state).upper()
        if unposted and self.unposted:
            return "UNPOSTED"
        return "NOT_ELIGIBLE" if not_eligible and self.state == "skipped" else None
