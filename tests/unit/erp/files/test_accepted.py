"""The acceptance suite over files: a clerk imports what waits and exports the books, as people and night jobs do."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.erp.acceptance.running import accept
from include.erp.acceptance.suite import Options
from tests.unit.erp.files.exchange import MAPPING, Exchange

SKIPPED = {
    "the ERP does not keep the lines.quantity of commitments",
    "the ERP does not keep the lines.tax_code of commitments",
    "the ERP has no vendor on hold",
    "no login with read-only rights was given (--reader)",
}
"""What is not tried, beside what the clerk does not do."""


def test_an_exchange_folder_passes_whole(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    exchange.now = datetime.now(UTC)  # the suite reads by the real clock, and exports have an age
    for path in (tmp_path / "exports").iterdir():
        path.unlink()
    exchange.put("exports/vendors.csv", "CO,VENDOR,NAME,ACTIVE\r\n01,V1,Acme,Y\r\n")
    contract = {"CO": "01", "NO": "SC-0", "KIND": "S", "JOB": "J1", "VENDOR": "V1", "TITLE": "First", "ST": "O", "TOTAL": "10.00"}
    exchange.contracts.append(contract | {"MARK": ""})
    for n in ("1", "2"):
        line = {"CO": "01", "NO": "SC-0", "POS": n, "WHAT": "Slabs", "CODE": f"03-{n}000", "TYPE": "M", "AMOUNT": "5.00"}
        exchange.lines.append(line)
    day = f"{exchange.now:%Y%m%d}"
    exchange.export(day)
    (tmp_path / "jobbook.yaml").write_text(MAPPING, encoding="utf-8")
    taken = Counter[str]()

    def clerk(action: str, _: Any) -> None:
        if action != "post":
            raise LookupError("people do that in the ERP")
        taken.update(exchange.take())
        exchange.export(day)

    result = accept(Options(str(tmp_path / "jobbook.yaml"), str(tmp_path), stage=3, allow_writes=True, clerk=clerk))
    assert [(one.entity, one.label, one.told) for one in result.checks if one.verdict == "failed"] == []
    skipped = {one.told for one in result.checks if one.verdict == "skipped"}
    assert {one for one in skipped if not one.startswith("the clerk does not")} == SKIPPED
    assert result.accepted and set(taken.values()) == {1}, "no file was there twice"
    assert sum(one.verdict == "passed" for one in result.checks) >= 30
