"""Companies that nobody has integrated yet: an empty Procore, and two systems that know nothing of each other."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from include.financials.__main__ import main
from include.financials.entities import ENTITIES
from include.local import sandbox
from include.pipeline import run

Report = dict[str, Any]


def company(info: dict[str, Any], history: str) -> dict[str, Any]:
    answer = requests.post(f"{info['base_url']}/_sandbox/reset", json={"history": history, "size": "tiny"}, timeout=120)
    answer.raise_for_status()
    return dict(answer.json())


def count(report: Report, *names: str) -> int:
    return sum(row[name] for row in report["entities"].values() for name in names)


def test_an_empty_procore_is_filled_once(tmp_path: Path) -> None:
    with sandbox(tmp_path / "state", size="tiny") as info:
        info = company(info, "none")
        first, again = (run(info, tmp_path, name) for name in ("first", "again"))
    assert first["entities"]["cost_codes"]["created"] == first["entities"]["cost_codes"]["extracted"] > 100
    assert first["entities"]["cost_types"]["updated"] == 5, "Procore's own first cost types are taken, as the settings map them"
    assert first["reconciliation"]["balanced"]
    assert first["stopped"] == []
    assert (again["procore_writes"], again["erp_writes"], count(again, "created", "updated")) == (0, 0, 0)


def test_what_is_on_both_sides_is_proposed_and_linked_by_decision_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = f"sqlite:///{tmp_path}/ledger.sqlite"
    with sandbox(tmp_path / "state", size="tiny") as info:
        info = company(info, "unlinked")
        before = documents(info)
        first = run(info, tmp_path, "first")
        asked = run(info, tmp_path, "asked again")
        runs = 0
        while (report := run(info, tmp_path, f"decided {runs}"))["stopped"]:
            for name in ENTITIES:
                assert main(["--ledger", ledger, "decide", "link", name, "all", "--note", "same company"]) == 0
            runs += 1
            assert runs < 5, report["stopped"][:3]
        last = run(info, tmp_path, "last")
        after = documents(info)
    proposed = [row for row in first["stopped"] if row["rule"] == "2.9"]
    assert {row["entity"] for row in proposed} == {"vendors", "customers", "projects", "cost_codes"}
    assert first["entities"]["customers"]["created"] == 0, "an owner that Procore's directory has is not made a second time"
    assert asked["procore_writes"] == 0, "nothing is linked unasked"
    assert report["reconciliation"]["balanced"]
    assert after == before + 1, "one commitment was new; the two that the ERP had are linked, not entered again"
    assert (last["procore_writes"], last["erp_writes"]) == (0, 0)
    assert "recorded for" in capsys.readouterr().out


def documents(info: dict[str, Any]) -> int:
    import sqlalchemy as sa

    with sa.create_engine(info["erp_url"]).connect() as connection:
        return int(connection.execute(sa.text("SELECT COUNT(*) FROM commitments")).scalar_one())


def test_a_document_that_only_the_erp_has_is_unexplained_until_somebody_accepts_it(tmp_path: Path) -> None:
    ledger = f"sqlite:///{tmp_path}/ledger.sqlite"
    with sandbox(tmp_path / "state", size="tiny") as info:
        info = company(info, "unlinked")
        first = run(info, tmp_path, "first")
        orphans = {
            row["erp_id"]
            for row in first["reconciliation"]["differences"]
            if row["unexplained"].strip("-0.") and row["tie"] == "T-07"
        }
        assert not first["reconciliation"]["balanced"]
        for number in orphans:
            assert main(["--ledger", ledger, "decide", "accept", "commitment", number]) == 0
        accepted = run(info, tmp_path, "accepted")
    assert len(orphans) == 2
    assert accepted["reconciliation"]["balanced"]
    codes = {item["code"] for row in accepted["reconciliation"]["differences"] for item in row["explained"]}
    assert "OPENING" in codes


def test_a_link_that_was_ended_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Title A -> B, unlink, adopt again, B -> A: the last write must not be taken for the first one, which is in the journal."""
    ledger = f"sqlite:///{tmp_path}/ledger.sqlite"

    def retitle(info: dict[str, Any], title: str) -> None:
        contracts = requests.post(
            f"{info['base_url']}/_sandbox/as_user",
            json={"method": "PATCH", "path": path, "json": {"project_id": project, "work_order_contract": {"title": title}}},
            timeout=60,
        )
        assert contracts.json().get("title") == title, contracts.text

    with sandbox(tmp_path / "state", size="tiny") as info:
        run(info, tmp_path, "first")
        contract, project = commitment(tmp_path / "state", "104-SC-003")
        path = f"/rest/v1.0/work_order_contracts/{contract}"
        retitle(info, "Steel A")
        assert run(info, tmp_path, "a")["erp_writes"] == 1
        retitle(info, "Steel B")
        assert run(info, tmp_path, "b")["erp_writes"] == 1
        assert main(["--ledger", ledger, "decide", "unlink", "commitment", "104-SC-003"]) == 0
        assert run(info, tmp_path, "adopted")["entities"]["commitments"]["adopted"] == 1
        retitle(info, "Steel A")
        again = run(info, tmp_path, "a again")
        assert (again["erp_writes"], again["entities"]["commitments"]["updated"]) == (1, 1)
        assert title_in_erp(info, "104-SC-003") == "Steel A"


def commitment(state: Path, number: str) -> tuple[int, int]:
    with closing(sqlite3.connect(state / "procore.sqlite")) as connection:
        query = "SELECT id, project_id FROM objects WHERE kind = 'work_order_contracts' AND number = ?"
        contract, project = connection.execute(query, (number,)).fetchone()
    return int(contract), int(project)


def title_in_erp(info: dict[str, Any], number: str) -> str:
    import sqlalchemy as sa

    with sa.create_engine(info["erp_url"]).connect() as connection:
        return str(connection.execute(sa.text("SELECT title FROM commitments WHERE number = :n"), {"n": number}).scalar_one())
