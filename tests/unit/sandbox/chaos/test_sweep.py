"""The sweep's own book: what is done again, what is counted, and what the exit code says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.chaos import __main__ as chaos
from sandbox.chaos import schedules
from sandbox.chaos.cases import OWNER, Case, behind, cases
from sandbox.chaos.faults import ERP, KINDS, PROCORE
from sandbox.chaos.picture import differences
from sandbox.chaos.worlds import Write

PAYMENT = Write("mid_life", "payments_issued", "procore", "POST", "^/rest/v1\\.0/contract_payments$", 0, True)
SECOND = Write("mid_life", "payments_issued", "procore", "POST", "^/rest/v1\\.0/contract_payments$", 1, False)
COMMIT = Write("mid_life", "commitments", "erp", "COMMIT", "erp", 0, True)


class Quick(chaos.Sweep):
    """Without a reference run, and with cases that end as they are told to."""

    spoilt: frozenset[str] = frozenset()

    def _writes(self) -> list[Write]:
        (self.folder / "work").mkdir(parents=True, exist_ok=True)
        return [PAYMENT, SECOND, COMMIT]

    def _one(self, case: Case) -> None:
        wrong = ["doubled"] if case.name in self.spoilt else []
        result = {"case": case.name, "faults": {case.fault: 1}, "runs": 2, "seconds": 0.1, "violations": wrong}
        self._told(case).write_text(json.dumps(result))


def sweep(folder: Path, only: str = "commitments", **changes: Any) -> Quick:
    return Quick(folder, **{"every": False, "minutes": 5.0, "jobs": 2, "only": only, **changes})


def report(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "report.json").read_text()))


def test_every_kind_at_every_write_with_and_without_the_ledger() -> None:
    found = list(cases([PAYMENT, SECOND, COMMIT]))
    assert len(found) == 2 * (len(PROCORE) + len(ERP)) == len({case.name for case in found})
    assert len(list(cases([PAYMENT, SECOND, COMMIT], every=True))) == 2 * (2 * len(PROCORE) + len(ERP))


def test_the_report_counts_each_kind_that_fired(tmp_path: Path) -> None:
    assert sweep(tmp_path).run() == 0
    told = report(tmp_path)
    assert (told["violations"], told["cases"], told["left"], told["complete"]) == (0, 10, 0, True)
    assert {name for name, count in told["faults"].items() if count} == {
        f"{k}{lost}" for k in ERP for lost in ("", "+ledger_lost")
    }
    assert len(told["faults"]) == 2 * len(KINDS) + len(schedules.KINDS)


def test_a_violation_is_counted_named_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Case(COMMIT, "erp_commit_late", lost=False).name
    monkeypatch.setattr(Quick, "spoilt", frozenset({bad}))
    assert sweep(tmp_path).run() == 1
    told = report(tmp_path)
    assert told["violations"] == 1
    assert told["details"] == [{"case": bad, "violations": ["doubled"]}]
    monkeypatch.setattr(Quick, "spoilt", frozenset())
    assert sweep(tmp_path).run() == 0 and report(tmp_path)["violations"] == 0


def test_a_sweep_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """Also when the line that it was writing is only half there."""
    assert sweep(tmp_path, minutes=0.0).run() == 0
    assert (report(tmp_path)["complete"], report(tmp_path)["left"]) == (False, 10)
    assert sweep(tmp_path).run() == 0
    kept = (tmp_path / "done.jsonl").read_text().splitlines()
    (tmp_path / "done.jsonl").write_text("\n".join(kept[:6]) + "\n" + kept[6][:20])
    again = sweep(tmp_path)
    assert again.run() == 0 and report(tmp_path)["complete"]
    lines = (tmp_path / "done.jsonl").read_text().splitlines()
    assert lines[:6] == kept[:6] and len({json.loads(line)["case"] for line in lines}) == len(lines) == 10


def test_a_case_that_breaks_is_a_violation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_sweep: Quick, _case: Case) -> None:
        raise RuntimeError("no sandbox")

    monkeypatch.setattr(Quick, "_one", broken)
    assert sweep(tmp_path, only="commit_late$").run() == 1
    assert report(tmp_path)["violations"] == 1


def test_a_lost_ledger_needs_all_that_a_record_refers_to() -> None:
    assert behind("vendors") == ["vendors"]
    assert behind("payments_issued")[-1] == "payments_issued" and {"vendors", "projects"} <= set(behind("payments_issued"))


def test_differences_count_equal_records() -> None:
    """A record that is there twice is one too many."""
    wanted: dict[str, dict[str, list[str]]] = {"procore": {"payments": ["a", "b"]}, "erp": {}}
    found: dict[str, dict[str, list[str]]] = {"procore": {"payments": ["a", "a"]}, "erp": {"checks": ["c"]}}
    assert [line.partition(":")[2] for line in differences(found, wanted)] == [
        " there, but not without the fault: a",
        " missing: b",
        " there, but not without the fault: c",
    ]
    assert differences(wanted, wanted) == []


def test_only_without_a_ledger_the_note_of_a_budgets_owner_may_be_missing() -> None:
    row = json.dumps({"origin_data": '{"budget_owner":"erp","erp_key":"26-118"}', "name": "Garage"})
    bare = json.dumps({"origin_data": '{"erp_key":"26-118"}', "name": "Garage"})
    other = json.dumps({"origin_data": '{"erp_key":"26-112"}', "name": "Garage"})
    owned = json.dumps({"origin_data": '{"budget_owner":"procore","erp_key":"26-118"}', "name": "Garage"})
    wanted, found, wrong, another = ({"procore": {"projects": [text]}, "erp": {}} for text in (row, bare, other, owned))
    assert differences(found, wanted, OWNER) == []
    assert len(differences(found, wanted)) == 2 and len(differences(wrong, wanted, OWNER)) == 2
    assert len(differences(another, wanted, OWNER)) == 2  # who owns it must not change
    assert len(differences(wanted, found, OWNER)) == 2  # nor may somebody own what nobody owned
