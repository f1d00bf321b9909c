"""A company in two systems: what its files hold, what people do in it, and the sandbox's control."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests

from sandbox.chaos.picture import picture, rows

CONTRACTS = ("work_order_contracts", "purchase_order_contracts")


class Stores:
    """What both systems and the ledger hold, read from their files."""

    folder: Path

    # -- Procore --------------------------------------------------------------------------------------------------------------

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Procore's records as stored."""
        found = rows(self.folder / "procore.sqlite", "SELECT * FROM objects WHERE kind = ? ORDER BY id", kind)
        return [{**json.loads(row["doc"]), **{name: value for name, value in row.items() if name != "doc"}} for row in found]

    def contracts(self) -> list[dict[str, Any]]:
        return [row for kind in CONTRACTS for row in self.objects(kind)]

    def contract(self, number: str, project: str | None = None) -> dict[str, Any]:
        projects = {row["id"]: row["project_number"] for row in self.objects("projects")}
        found = [row for row in self.contracts() if row["number"] == number and project in (None, projects[row["project_id"]])]
        if len(found) != 1:
            raise LookupError(f"{number}: {len(found)} contracts")
        return found[0]

    def lines(self, number: str) -> list[dict[str, Any]]:
        contract = self.contract(number)
        found = [r for r in self.objects("contract_lines") if r["parent_id"] == contract["id"] and not r["deleted_at"]]
        return sorted((r for r in found if r["contract_kind"] == contract["kind"]), key=lambda row: row["position"])

    # -- the ERP --------------------------------------------------------------------------------------------------------------

    def erp(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        return rows(self.folder / "erp.sqlite", sql, *values)

    def audit(self) -> list[str]:
        """What was ever written to the ERP since its seed: ``I commitments 01/104-SC-008``, in order."""
        return [
            f"{row['action']} {row['table_name']} {row['row_key']}" for row in self.erp("SELECT * FROM audit_log ORDER BY id")
        ]

    def entered(self, table: str = "commitments") -> list[str]:
        """Numbers of the documents entered into a table of the ERP since its seed, in order."""
        return [row.rpartition("/")[2] for row in self.audit() if row.startswith(f"I {table} ")]

    def documents(self) -> dict[str, dict[str, Any]]:
        return {row["number"]: row for row in self.erp("SELECT * FROM v_commitments")}

    # -- the ledger -----------------------------------------------------------------------------------------------------------

    def ledger(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        return rows(self.folder / "ledger.sqlite", sql, *values)

    def picture(self) -> dict[str, Any]:
        """Everything that a business would look at, without ids that a system gives by its own order and without times."""
        links = self.ledger("SELECT entity, company, erp_key, number, status FROM links WHERE ended_at IS NULL ORDER BY 1, 2, 3")
        states = self.ledger(
            "SELECT entity, side, number, state, rule FROM records WHERE state IS NOT NULL ORDER BY 1, 2, 3, 4, 5"
        )
        return {**picture(self.folder), "links": links, "states": states}


class Company(Stores):
    """And the running sandbox over these files; ``info`` is its ``/_sandbox/info``."""

    info: dict[str, Any]

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """An answer of the sandbox's own paths. Raises RuntimeError where it refuses."""
        reply = requests.request(method, f"{self.info['base_url']}/_sandbox{path}", json=body, timeout=120)
        if reply.status_code >= 300:
            raise RuntimeError(f"{method} {path}: {reply.text}")
        return reply.json() if reply.content else None

    def as_user(self, method: str, path: str, body: Any = None) -> Any:
        """A call of Procore's API that a person makes."""
        return self.control("POST", "/as_user", {"method": method, "path": path, "json": body})

    def edit(self, number: str, project: str | None = None, /, **changes: Any) -> None:
        """A person edits a contract."""
        contract = self.contract(number, project)
        wrapper = contract["kind"].removesuffix("s")
        self.as_user("PATCH", f"/{contract['kind']}/{contract['id']}", {"project_id": contract["project_id"], wrapper: changes})

    def requests(self) -> list[dict[str, Any]]:
        """What Procore was asked since the last time this was forgotten."""
        return list(self.control("GET", "/requests"))

    def fault(self, **rule: Any) -> None:
        """What is to go wrong from now on."""
        self.control("POST", "/faults", rule)

    def clerk(self, action: str, **fields: Any) -> dict[str, Any]:
        """What somebody does in the ERP."""
        return dict(self.control("POST", "/clerk", {"action": action, **fields})["changed"])
