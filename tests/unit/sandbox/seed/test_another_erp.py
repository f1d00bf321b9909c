"""History ``moved``: masters and prime contracts carry another ERP's external ids, what Procore sends carries none, and what an
ERP pays and spends is not there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sandbox.seed.company import Company
from sandbox.seed.procore_documents import ProcoreDocuments

ERP_BORN = ("direct_costs", "direct_cost_lines", "contract_payments")
DOCUMENTS = ("work_order_contracts", "purchase_order_contracts", "change_order_packages", "requisitions", "payment_applications")


class Kept:
    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def load(self, kind: str, rows: Iterable[dict[str, Any]]) -> int:
        found = list(rows)
        self.rows[kind] += found
        return len(found)


def written(**options: Any) -> dict[str, list[dict[str, Any]]]:
    kept = Kept()
    for _ in ProcoreDocuments(Company(), **options).write(kept):
        pass
    return kept.rows


def origins(rows: list[dict[str, Any]]) -> set[str]:
    return {row["origin_id"] for row in rows if row.get("origin_id")}


def test_masters_carry_the_other_erps_ids_and_documents_none() -> None:
    usual, moved = written(), written(sent=False, system="tryton")
    for kind in DOCUMENTS:
        assert len(moved[kind]) == len(usual[kind]) > 0
        assert origins(usual[kind]) and not origins(moved[kind])
    assert all(not moved[kind] for kind in ERP_BORN)
    vendors = origins(moved["vendors"])
    assert {name.replace("tryton:", "sandbox:") for name in vendors} < origins(usual["vendors"]) | vendors
    assert {name.split(":")[0] for name in vendors} == {"tryton", "otherapp-7781"}
    assert {name.replace("tryton:", "sandbox:") for name in origins(moved["prime_contracts"])} <= origins(
        usual["prime_contracts"]
    )
    assert len(moved["prime_contracts"]) == len(usual["prime_contracts"]) > 0
    assert {name.split(":")[1] for name in origins(moved["projects"]) | origins(moved["cost_codes"])} == {"01"}
    assert all("budget_owner" not in (row["origin_data"] or "") for row in moved["projects"])
