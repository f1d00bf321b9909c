"""Original budgets: one per job, owned by one side, adopted when equal, and frozen once exported."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.financials.__main__ import main
from include.financials.reconciliation import Reconciliation, reconcile
from include.financials.view import Sync
from tests.unit.financials.pair import BUDGETS, World, budget, budget_line, cost_code, cost_type

JOB, OTHER = "25-104", "25-105"
CREATED, ADOPTED, UNCHANGED, UPDATED = ("created", ""), ("adopted", ""), ("unchanged", ""), ("updated", "")


@pytest.fixture
def jobs(stages: dict[str, World], tmp_path: Path) -> Any:
    """Two jobs with a code each, and no budget anywhere."""
    world = stages[BUDGETS].fork(tmp_path / "world")
    for side in (world.erp, world.procore):
        side.records[BUDGETS].clear()
    world.used |= {BUDGETS}
    yield world
    world.close()


def ident(world: World, entity: str, key: str) -> str:
    return next(link.procore_id for link in world.ledger.links.of(entity) if link.erp_key == key)


def in_procore(world: World, job: str = JOB, amount: str = "500.00", **changes: Any) -> None:
    """The budget of a job as people made it in Procore."""
    project, code = ident(world, "projects", job), ident(world, "cost_codes", changes.pop("code", f"{job}//03-3000"))
    lines = (budget_line(amount=amount, code=code, kind=ident(world, "cost_types", "3")),)
    changes = {"locked": True, "lines": lines} | changes
    world.procore.put(budget(job, id=project, project=project, company=None, **changes))


def in_erp(world: World, job: str = JOB, amount: str = "500.00", **changes: Any) -> None:
    world.erp.put(budget(job, **({"lines": (budget_line(amount=amount, code=f"{job}//03-3000"),)} | changes)))


def go(world: World) -> tuple[tuple[str, str], Sync]:
    sync = world.run(params={"entities": [BUDGETS]})
    return world.states(sync, BUDGETS)[JOB], sync


def state(world: World) -> tuple[str, str]:
    return go(world)[0]


def owner(world: World, job: str = JOB) -> str | None:
    """As Procore's project records it."""
    data = world.procore.get("projects", number=job).origin_data
    assert json.loads(data or "{}")["erp_key"] == job
    return json.loads(data or "{}").get("budget_owner")  # type: ignore[no-any-return]


def message(world: World) -> str:
    return str(world.ledger.outcomes.of(f"run-{world.runs}", BUDGETS)[0].message)


def balanced(sync: Sync) -> Reconciliation:
    found = reconcile(sync)
    assert found.balanced, found.differences
    return found


# -- who owns it --


def test_an_estimate_that_only_the_erp_has_goes_to_procore(jobs: World) -> None:
    in_erp(jobs)
    found, sync = go(jobs)
    assert found == CREATED and owner(jobs) == "erp" and balanced(sync)
    made: Any = jobs.procore.get(BUDGETS, number=JOB)
    assert (made.id, [str(line.amount) for line in made.lines]) == (ident(jobs, "projects", JOB), ["500.00"])
    assert state(jobs) == UNCHANGED and jobs.writes() == 2, "its lines, and its owner on the project"


def test_a_budget_that_only_procore_has_goes_to_the_erp(jobs: World) -> None:
    in_procore(jobs)
    found, sync = go(jobs)
    assert found == CREATED and owner(jobs) == "procore" and balanced(sync)
    assert [str(line.amount) for line in jobs.erp.get(BUDGETS, id=JOB).lines] == ["500.00"]  # type: ignore[attr-defined]
    assert state(jobs) == UNCHANGED and jobs.writes() == 2


@pytest.mark.parametrize("side", ["erp", "procore"])
def test_a_job_without_a_budget_is_skipped_or_not_told_of(jobs: World, side: str) -> None:
    in_erp(jobs, lines=()) if side == "erp" else in_procore(jobs, lines=())
    assert state(jobs) == ("skipped", "") and jobs.writes() == 0


def test_an_unlocked_budget_waits_for_its_lock(jobs: World) -> None:
    in_procore(jobs, locked=False)
    found, sync = go(jobs)
    assert found == ("held", "B-02") and jobs.writes() == 0 and balanced(sync)
    jobs.procore.change(BUDGETS, JOB, locked=True)
    assert state(jobs) == CREATED


def test_two_equal_budgets_are_adopted_and_belong_to_the_erp(jobs: World) -> None:
    in_erp(jobs)
    in_procore(jobs, locked=False)
    found, sync = go(jobs)
    assert found == ADOPTED and jobs.writes() == 0 and balanced(sync)
    in_erp(jobs, amount="501.00")
    assert state(jobs) == UPDATED


def test_two_different_budgets_belong_to_nobody_until_a_person_says_so(jobs: World) -> None:
    in_erp(jobs, amount="400.00")
    in_procore(jobs)
    found, sync = go(jobs)
    assert found == ("conflicts", "B-01") and jobs.writes() == 0 and balanced(sync)
    assert "an estimate of 400.00 in the ERP and a budget of 500.00 in Procore" in message(jobs)
    in_procore(jobs, amount="400.00")
    assert state(jobs) == ADOPTED


@pytest.mark.parametrize("told", ["erp", "procore"])
def test_an_owner_that_procore_records_is_believed(jobs: World, told: str) -> None:
    """An empty ledger, and both sides differ: the project's origin_data says whose figures rule."""
    in_erp(jobs, amount="400.00", marker="procore:8089:budgets:x" if told == "procore" else None)
    in_procore(jobs, locked=told == "procore")
    jobs.procore.change("projects", JOB, origin_data=json.dumps({"erp_key": JOB, "budget_owner": told}))
    found, _ = go(jobs)
    # The ERP's estimate is written; a budget that Procore has exported may not differ.
    assert found == (CREATED if told == "erp" else ("conflicts", "B-04"))
    assert (jobs.writes() > 0) is (told == "erp")


def test_an_empty_ledger_knows_each_owner_again(jobs: World, tmp_path: Path) -> None:
    in_erp(jobs)
    in_procore(jobs, OTHER)
    jobs.run(of=[BUDGETS])
    again = jobs.without_ledger(tmp_path / "again")
    sync = again.run(of=["projects", "cost_types", "cost_codes", BUDGETS])
    assert again.states(sync, BUDGETS) == {JOB: ADOPTED, OTHER: ADOPTED} and again.writes() == 0
    assert {link.erp_key: (link.content or {}).get("owner") for link in again.ledger.links.of(BUDGETS)} == {
        JOB: "erp", OTHER: "procore",
    }  # fmt: skip
    again.close()


# -- what may change --


def test_a_changed_estimate_is_written_and_keeps_its_owner(jobs: World) -> None:
    in_erp(jobs)
    go(jobs)
    in_erp(jobs, amount="501.00")
    found, sync = go(jobs)
    assert found == UPDATED and owner(jobs) == "erp" and balanced(sync)
    assert jobs.procore.get(BUDGETS, number=JOB).amount == Decimal("501.00")  # type: ignore[attr-defined]


def test_a_new_line_of_the_estimate_is_written_and_one_that_went_is_emptied(jobs: World) -> None:
    jobs.erp.put(cost_type("1", base_type="labor"))
    for number in ("03-3000", "04-2000"):
        jobs.erp.put(cost_code(number, cost_types=("1", "3")))
    jobs.run(params={"entities": ["cost_types", "cost_codes"]})
    in_erp(jobs)
    go(jobs)
    in_erp(jobs, lines=(budget_line(), budget_line(2, "10.00", kind="1"), budget_line(3, "7.00", "25-104//04-2000")))
    found, sync = go(jobs)
    assert found == UPDATED and balanced(sync)
    assert len(jobs.procore.get(BUDGETS, number=JOB).lines) == 3  # type: ignore[attr-defined]
    in_erp(jobs)
    assert state(jobs) == UPDATED
    assert len(jobs.procore.get(BUDGETS, number=JOB).lines) == 1  # type: ignore[attr-defined]


def test_a_changed_estimate_is_blocked_by_procores_lock(jobs: World) -> None:
    in_erp(jobs)
    go(jobs)
    jobs.procore.change(BUDGETS, JOB, locked=True)
    assert state(jobs) == UNCHANGED
    writes = jobs.writes()
    in_erp(jobs, amount="501.00")
    found, sync = go(jobs)
    assert found == ("blocked", "B-04") and jobs.writes() == writes
    t02 = [d for d in balanced(sync).differences if d.tie == "T-02"]
    assert [(str(d.procore), str(d.erp), [i.code for i in d.explained]) for d in t02] == [("500.00", "501.00", ["BLOCKED"])]
    in_erp(jobs)
    assert state(jobs) == UNCHANGED


@pytest.mark.parametrize("side", ["procore", "erp"])
def test_an_exported_budget_may_not_change_on_either_side(jobs: World, side: str) -> None:
    in_procore(jobs)
    go(jobs)
    writes = jobs.writes()
    if side == "procore":
        in_procore(jobs, amount="500.01")
    else:
        kept = jobs.erp.get(BUDGETS, id=JOB)
        jobs.erp.put(kept.model_copy(update={"lines": (budget_line(amount="500.01"),), "amount": Decimal("500.01")}))
    found, sync = go(jobs)
    assert found == ("conflicts", "B-04") and jobs.writes() == writes
    assert [d.cost_key for d in balanced(sync).differences if d.tie == "T-02"] == ["25-104//03-3000 / 3"]


def test_an_exported_budget_that_is_unlocked_again_is_no_change(jobs: World) -> None:
    in_procore(jobs)
    go(jobs)
    jobs.procore.change(BUDGETS, JOB, locked=False)
    assert state(jobs) == UNCHANGED


def test_a_line_of_nothing_that_a_change_opens_is_no_change(jobs: World) -> None:
    in_procore(jobs)
    go(jobs)
    made: Any = jobs.procore.get(BUDGETS, number=JOB)
    jobs.procore.put(
        made.model_copy(update={"lines": (*made.lines, budget_line(2, "0.00", code=made.lines[0].cost_code, kind="9"))})
    )
    assert state(jobs) == UNCHANGED


def lose(world: World, side: str, how: str) -> None:
    """A person empties a budget. Procore's is its lines: those without an amount are none, and so is the budget."""
    records = getattr(world, side).records[BUDGETS]
    left = [one.model_copy(update={"lines": (), "amount": Decimal(0)}) for one in records if how != "record" and side == "erp"]
    if how == "zero":
        left = [one.model_copy(update={"lines": (budget_line(amount="0.00", code=f"{JOB}//03-3000"),)}) for one in left]
    records[:] = left


@pytest.mark.parametrize("mode", ["apply", "plan"])
@pytest.mark.parametrize(("side", "how"), [("procore", "lines"), ("erp", "record"), ("erp", "lines"), ("erp", "zero")])
@pytest.mark.parametrize("told", ["erp", "procore"])
def test_a_budget_that_one_side_lost_is_a_conflict(jobs: World, told: str, side: str, how: str, mode: str) -> None:
    """Whoever owns it: nothing is written over the figures that are left, and no tie counts those that are gone."""
    in_erp(jobs) if told == "erp" else in_procore(jobs)
    go(jobs)
    writes = jobs.writes()
    lose(jobs, side, how)
    sync = jobs.run(params={"entities": [BUDGETS], "mode": mode})
    assert jobs.states(sync, BUDGETS)[JOB] == ("conflicts", "R-02") and jobs.writes() == writes
    assert f"nothing of it is left in {'Procore' if side == 'procore' else 'the ERP'}" in message(jobs)
    t02 = [d for d in balanced(sync).differences if d.tie == "T-02"]
    left = ("0.00", "500.00") if side == "procore" else ("500.00", "0.00")
    assert [(str(d.procore), str(d.erp), [i.code for i in d.explained]) for d in t02] == [(*left, ["CONFLICT"])]


def test_a_budget_that_was_put_back_is_linked_as_before(jobs: World) -> None:
    in_erp(jobs)
    go(jobs)
    kept = list(jobs.procore.records[BUDGETS])
    for side, how in (("procore", "lines"), ("erp", "zero")):
        lose(jobs, side, how)
        assert state(jobs) == ("conflicts", "R-02")
        jobs.procore.records[BUDGETS][:] = kept
        in_erp(jobs)
        found, sync = go(jobs)
        assert found == UNCHANGED and not balanced(sync).differences


@pytest.mark.parametrize("how", ["record", "lines", "zero"])
@pytest.mark.parametrize("told", ["erp", "procore"])
def test_a_budget_that_both_sides_lost_is_a_conflict_too(jobs: World, told: str, how: str) -> None:
    in_erp(jobs) if told == "erp" else in_procore(jobs)
    go(jobs)
    writes = jobs.writes()
    lose(jobs, "erp", how)
    lose(jobs, "procore", how)
    sync = jobs.run(params={"entities": [BUDGETS]})
    assert jobs.states(sync, BUDGETS) == {JOB: ("conflicts", "R-02")} and jobs.writes() == writes
    assert "neither side has it any more" in message(jobs)
    assert not [d for d in balanced(sync).differences if d.tie == "T-02"]


def test_an_estimate_without_amounts_is_no_budget_yet(jobs: World) -> None:
    in_erp(jobs, amount="0.00")
    assert state(jobs) == ("skipped", "") and jobs.writes() == 0


@pytest.mark.parametrize("how", ["lines", "zero"])
def test_an_owner_that_lost_its_figures_and_its_link_empties_nothing(jobs: World, tmp_path: Path, how: str) -> None:
    """The project says that the budget is the ERP's, which has no figures of it; Procore has."""
    in_erp(jobs)
    go(jobs)
    lose(jobs, "erp", how)
    again = jobs.without_ledger(tmp_path / "again")
    again.run(params={"entities": ["cost_types", "projects", "cost_codes"]})
    writes = again.writes()
    found, sync = go(again)
    assert found == ("conflicts", "B-01") and again.writes() == writes and balanced(sync)
    again.close()


def test_a_line_without_a_place_holds_the_whole_budget(jobs: World) -> None:
    in_erp(jobs, lines=(budget_line(), budget_line(2, "7.00", code="25-104//03")))
    assert state(jobs) == ("quarantined", "B-03") and jobs.writes() == 0
    assert "03 is a header" in message(jobs) and "The whole budget waits" in message(jobs)


# -- the owner on the project --


def test_a_project_that_changes_keeps_the_owner_of_its_budget(jobs: World) -> None:
    in_erp(jobs)
    in_procore(jobs, OTHER)
    jobs.run(of=["projects", BUDGETS])
    for job in (JOB, OTHER):
        jobs.erp.change("projects", job, name="Another")
    jobs.run(of=["projects", BUDGETS])
    assert (owner(jobs), owner(jobs, OTHER)) == ("erp", "procore")
    in_erp(jobs, amount="501.00")
    assert state(jobs) == UPDATED, "whose it is was not forgotten"


def test_a_project_whose_budget_was_stopped_keeps_its_owner_too(jobs: World) -> None:
    """The owner was recorded by an earlier life of the ledger; the budgets differ now and wait."""
    in_erp(jobs, amount="400.00", marker="procore:8089:budgets:x")
    in_procore(jobs)
    jobs.procore.change("projects", JOB, origin_data=json.dumps({"erp_key": JOB, "budget_owner": "procore"}))
    assert state(jobs) == ("conflicts", "B-04")
    jobs.erp.change("projects", JOB, name="Another")
    jobs.run(of=["projects", BUDGETS])
    assert owner(jobs) == "procore"


def test_a_budget_is_handed_over_to_procore_once(jobs: World) -> None:
    """The link is ended, the project's origin_data names Procore, and the pair linked again: adopted with its new owner."""
    in_erp(jobs)
    go(jobs)
    jobs.procore.change(BUDGETS, JOB, locked=True)
    jobs.procore.change("projects", JOB, origin_data=json.dumps({"erp_key": JOB, "budget_owner": "procore"}))
    assert state(jobs) == UNCHANGED, "what the link records rules until it is ended"
    command = ["--ledger", jobs.ledger.url, "decide"]
    assert main([*command, "unlink", "budget", JOB]) == 0
    writes = jobs.writes()
    assert state(jobs) == ("held", "unlinked") and jobs.writes() == writes
    assert main([*command, "link", "budget", JOB]) == 0
    assert state(jobs) == ADOPTED and jobs.writes() == writes
    assert [(link.content or {}).get("owner") for link in jobs.ledger.links.of(BUDGETS)] == ["procore"]
    in_erp(jobs, amount="501.00")
    assert state(jobs) == ("conflicts", "B-04")


@pytest.mark.parametrize("mode", ["equal", "erp", "procore", "unlocked", "different"])
def test_a_plan_says_what_apply_does(jobs: World, tmp_path: Path, mode: str) -> None:
    if mode != "procore":
        in_erp(jobs, amount="400.00" if mode == "different" else "500.00")
    if mode != "erp":
        in_procore(jobs, locked=mode != "unlocked")
    twin = jobs.fork(tmp_path / "twin")
    plan, apply = jobs.run(params={"entities": [BUDGETS], "mode": "plan"}), twin.run(params={"entities": [BUDGETS]})
    assert jobs.states(plan, BUDGETS) == twin.states(apply, BUDGETS)
    assert jobs.writes() == 0 and balanced(plan) and balanced(apply)
    twin.close()
