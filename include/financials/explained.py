"""A figure of both sides, and what explains their difference (docs/domain-rules.md 4.2, 4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any


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
