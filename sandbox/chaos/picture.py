"""What both systems hold, field by field, without what depends on the moment or on the order in which things were made."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from sandbox.erp.tables import BUSINESS

NAMED = {
    "vendor_id": "vendors", "project_id": "projects", "cost_code_id": "cost_codes", "line_item_type_id": "line_item_types",
    "sub_job_id": "sub_jobs", "tax_code_id": "tax_codes", "wbs_code_id": "wbs_codes", "direct_cost_id": "direct_costs",
}  # fmt: skip
"""What a reference of Procore's names: ids of records that the sync made depend on the order in which it made them."""
PARENTS = {"insurances": "vendors", "direct_cost_lines": "direct_costs"}
OF_THE_MOMENT = ("id", "created_at", "updated_at", "reviewed_at", "row_version")

Picture = dict[str, dict[str, list[str]]]
"""By side and kind of record: each record as JSON, sorted."""


def rows(path: Path, sql: str, *values: Any) -> list[dict[str, Any]]:
    """What a query of an SQLite file answers."""
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql, values)]


def picture(folder: Path) -> Picture:
    """Both systems of a sandbox, from the files of its state folder."""
    return {"procore": procore(folder / "procore.sqlite"), "erp": erp(folder / "erp.sqlite")}


def procore(path: Path) -> dict[str, list[str]]:
    """Each kind's records; a reference is what it refers to goes by: its external id, else the id that the seed gave it."""
    objects: dict[str, list[dict[str, Any]]] = {}
    for row in rows(path, "SELECT * FROM objects ORDER BY kind, id"):
        document = json.loads(row.pop("doc"))
        objects.setdefault(row["kind"], []).append({**document, **row})
    label = {(kind, row["id"]): row["origin_id"] or str(row["id"]) for kind, found in objects.items() for row in found}
    for row in objects.get("wbs_codes", ()):
        parts = [label.get((NAMED[name], row[name])) for name in ("cost_code_id", "line_item_type_id")]
        label["wbs_codes", row["id"]] = " ".join(map(str, parts))

    def told(kind: str, row: Mapping[str, Any]) -> str:
        shown = {name: value for name, value in row.items() if name not in OF_THE_MOMENT}
        for name in NAMED.keys() & shown.keys():
            shown[name] = label.get((NAMED[name], shown[name]))
        if "parent_id" in shown:
            shown["parent_id"] = label.get((PARENTS.get(kind) or shown.get("contract_kind") or kind, shown["parent_id"]))
        return json.dumps(shown, sort_keys=True)

    return {kind: sorted(told(kind, row) for row in found) for kind, found in objects.items()}


def erp(path: Path) -> dict[str, list[str]]:
    """Each business table's rows."""
    found = {}
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        connection.row_factory = sqlite3.Row
        for table in BUSINESS:
            stored = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
            plain = [{name: value for name, value in row.items() if name not in OF_THE_MOMENT} for row in stored]
            found[table] = sorted(json.dumps(row, sort_keys=True) for row in plain)
    return found


def differences(found: Picture, wanted: Picture, overlooked: re.Pattern[str] | None = None) -> list[str]:
    """One line for each record that is there and should not be, or should be and is not. What is ``overlooked`` may be missing in
    a record that is there; where it is there, it is compared."""
    lines = []
    for side in ("procore", "erp"):
        for kind in sorted({*found[side], *wanted[side]}):
            have, want = (list(of[side].get(kind, ())) for of in (found, wanted))
            for without in (None, overlooked):  # equal ones first, or a record without the note would take another's place
                for row in list(want):
                    if (plain := without.sub("", row) if without else row) in have:
                        have.remove(plain)
                        want.remove(row)
            lines += [f"{side} {kind}: there, but not without the fault: {row}" for row in have]
            lines += [f"{side} {kind}: missing: {row}" for row in want]
    return lines
