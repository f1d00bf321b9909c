"""Extract reads all that a check looks at; a check, the gate and reconciliation ask nobody."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator

import pytest

from include.financials import checks, reconciliation
from include.financials.entities import ENTITIES
from include.financials.exceptions import RetryLater, StepMissing
from include.financials.port import SIDES, Page
from include.financials.reading import extract
from include.financials.reading.parsed import rows_of
from include.financials.reading.staging import Staged
from include.financials.record import Record
from include.financials.view import Sync
from include.financials.writing import engine
from tests.unit.financials.pair import World, commitment, in_procore, vendor


def calls(world: World) -> int:
    return len(world.erp.calls) + len(world.procore.calls)


def test_every_question_is_asked_by_an_extract(full: World) -> None:
    """Of each entity by itself, with nothing but its own extract before it: what it refers to is read by that, too."""
    for name in ENTITIES:
        sync = full.sync(params={"entities": [name], "since": "2020-01-01"})
        extract.extract(sync, name)
        asked = calls(full)
        checks.check(sync, name, [0])
        reconciliation.reconcile(sync)
        assert calls(full) == asked, name
        assert full.ledger.outcomes.of(sync.run.run_id, name) or ENTITIES[name].read_only, name


def test_a_list_is_read_once_in_a_run(full: World) -> None:
    full.erp.page_size = full.procore.page_size = 1000
    for system in (full.erp, full.procore):
        system.calls.clear()
    full.run(params={"since": "2020-01-01"})
    for system in (full.erp, full.procore):
        lists = [call for call in system.calls if call.startswith("read ")]
        assert sorted(lists) == sorted(set(lists))


def test_who_judges_has_no_systems(world: World) -> None:
    sync = world.sync()
    judging = sync.judging("vendors")
    with pytest.raises(StepMissing, match="vendors: nothing is asked of the ERP here"):
        judging.systems["erp"]
    with pytest.raises(StepMissing, match=r"no task of this run has read the vendors of procore .* Clear extract_vendors"):
        judging.lists.snapshot("procore", "vendors")
    assert judging.capabilities("erp").keys() == sync.capabilities("erp").keys() and calls(world) == 0


def test_an_extract_ends_however_few_calls_it_is_given(full: World) -> None:
    """One answer at each try: the next one goes on where it stopped, and nothing is asked twice but what was not answered."""
    full.erp.page_size = full.procore.page_size = 1
    tries = 0
    for name in ("vendors", "cost_codes", "commitments", "subcontractor_invoices", "payments_issued"):
        sync = full.sync(params={"entities": [name], "since": "2020-01-01"})
        while True:
            full.procore.faults = {len(full.procore.calls) + 2: "later"}
            full.erp.faults = {len(full.erp.calls) + 2: "later"}
            try:
                extract.extract(full.sync(sync.run.run_id), name)
                break
            except RetryLater:
                tries += 1
                assert tries < 200, name
        full.procore.faults = full.erp.faults = {}
        checks.check(sync, name, [0])
        rows = full.ledger.outcomes.of(sync.run.run_id, name)
        assert rows and {row.state for row in rows} == {"linked"}, name
    assert tries > 5


def test_what_this_run_wrote_to_the_erp_is_read_again(linked: World) -> None:
    """Reconciliation compares what the ERP shows, not what we meant to write; a load that ended before it could look says so."""
    in_procore(linked, commitment("SC-9"))
    sync = linked.sync(params={"entities": ["commitments"]})
    extract.extract(sync, "commitments")
    checks.check(sync, "commitments", [0])
    linked.erp.failing = {"read commitments": "later"}
    with pytest.raises(RetryLater):
        engine.load(sync, "commitments")
    with pytest.raises(StepMissing, match="were written to and not read since"):
        reconciliation.reconcile(sync)
    linked.erp.failing = {}
    engine.load(sync, "commitments")
    assert reconciliation.reconcile(sync).balanced
    (number,) = (one.number for one in sync.lists.snapshot("erp", "commitments") if one.number == "SC-9")
    assert number


def test_what_another_run_wrote_to_the_erp_meanwhile_is_read_again(linked: World) -> None:
    """The ledger knows of it by now: compared with an older list it would be a difference that is none."""
    params = {"entities": ["commitments"]}
    early = linked.run(params=params)
    assert [*early.lists.everywhere("erp", "commitments")] == []
    in_procore(linked, commitment("SC-9"))
    late = linked.run(params=params)
    assert linked.states(late, "commitments") == {"SC-9": ("created", "")}
    assert reconciliation.reconcile(linked.sync(early.run.run_id)).balanced
    calls = len(linked.erp.calls)
    assert reconciliation.reconcile(linked.sync(late.run.run_id)).balanced and len(linked.erp.calls) == calls, (
        "nobody wrote since"
    )


def test_what_another_run_does_while_this_one_compares_is_no_difference(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes once this one has looked whether anybody did: what is unexplained then is looked at again."""
    params = {"entities": ["commitments"]}
    early = linked.run(params=params)
    looked, looks = reconciliation._look_again, []

    def then_somebody_writes(sync: Sync) -> None:
        looked(sync)
        looks.append(sync.run.run_id)
        if len(looks) <= 2:
            number = f"SC-{len(looks)}"
            in_procore(linked, commitment(number))
            late = linked.run(params=params, reconciled=False)
            assert linked.states(late, "commitments")[number] == ("created", "")

    monkeypatch.setattr(reconciliation, "_look_again", then_somebody_writes)
    assert reconciliation.reconcile(linked.sync(early.run.run_id)).balanced
    assert len(looks) == 3


def test_a_difference_that_stays_is_told_after_a_second_look(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"entities": ["commitments"]}
    in_procore(linked, commitment("SC-1"))
    sync = linked.run(params=params)
    (link,) = sync.ledger.links.of("commitments")
    looks: list[Sync] = []
    monkeypatch.setattr(reconciliation, "_look_again", looks.append)
    monkeypatch.setattr(type(sync.lists), "everywhere", lambda *_: iter(()))
    told = reconciliation.reconcile(linked.sync(sync.run.run_id))
    assert link.status == "active" and not told.balanced and len(looks) == 2


def test_what_was_linked_since_the_lists_were_read_is_left_to_the_next_run(full: World) -> None:
    sync = full.sync(params={"entities": ["vendors"], "since": "2020-01-01"})
    extract.extract(sync, "vendors")
    (link, *_) = full.ledger.links.of("vendors")
    with full.ledger.engine.begin() as connection:
        connection.exec_driver_sql("update links set procore_id = '424242' where procore_id = ?", (link.procore_id,))
    checks.check(sync, "vendors", [0])
    rows = {row.number: row for row in full.ledger.outcomes.of(sync.run.run_id, "vendors") if row.side == "erp"}
    assert rows[link.number].state == "held" and "linked since this run read the lists of Procore" in rows[link.number].message


@pytest.mark.parametrize("name", ["direct_costs", "payments_issued"])
def test_a_list_too_long_to_be_kept_is_parsed_once_a_task(full: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Where everything is linked; what is not is looked for among all others, twice through the list."""
    full.run(params={"since": "2020-01-01"})
    free = {(r.company, r.id) for r in full.sync().lists.snapshot("erp", name)} - full.sync().fresh_links(name).by_erp.keys()
    monkeypatch.setattr("include.financials.reading.lists.KEPT_ROWS", 0)
    parsed: Counter[str] = Counter()
    rows = Staged.rows

    def counted(staged: Staged) -> Iterator[Record]:
        parsed[staged.path.parent.parent.name] += staged.entity == name
        return rows(staged)

    sync = full.sync(params={"entities": [name], "since": "2020-01-01"})
    monkeypatch.setattr(Staged, "rows", counted)
    for task, times in ((extract.extract, 1), (lambda sync, name: checks.check(sync, name, [0]), 3 if free else 1)):
        parsed.clear()
        task(sync, name)
        assert parsed == {"erp": times, "procore": 1}


def parsed_rows(known: set[int]) -> int:
    """Records and lines in memory that were not there before."""
    return rows_of(one for one in gc.get_objects() if isinstance(one, Record) and id(one) not in known)


@pytest.mark.usefixtures("only_new_objects")
def test_no_list_is_held_beyond_the_room_for_all_of_them(full: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a task has parsed goes when it asks for more, whichever list it is of; the one that was asked for last stays."""
    sync = full.sync(params={"since": "2020-01-01"})
    lists = [(side, name) for side in SIDES for name in ("vendors", "projects", "cost_types", "cost_codes", "direct_costs")]
    lengths = {one: rows_of(sync.lists.snapshot(*one)) for one in lists}
    room = max(lengths.values()) + 1
    assert sum(lengths.values()) > 3 * room
    monkeypatch.setattr("include.financials.reading.lists.KEPT_ROWS", room)
    later = full.sync(sync.run.run_id)
    known = {id(one) for one in gc.get_objects() if isinstance(one, Record)}
    for one in lists:
        assert rows_of(later.lists.snapshot(*one)) == lengths[one]
        gc.collect()
        assert lengths[one] <= parsed_rows(known) <= room, one
    assert later.lists.snapshot(*lists[-1])[0] is later.lists.snapshot(*lists[-1])[0]
    later.lists.forget()
    gc.collect()
    assert parsed_rows(known) == 0


@pytest.mark.usefixtures("only_new_objects")
@pytest.mark.parametrize("again", [False, True])
def test_a_long_list_is_looked_through_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
    """Unless a record came twice, which then counts as it was read last."""
    for number in range(20, 32):
        world.erp.put(vendor(f"V-{number}"))
    world.erp.page_size = 4
    monkeypatch.setattr("include.financials.reading.lists.KEPT_ROWS", 8)
    sync = world.sync()
    sync.lists.need("erp", "vendors")
    if again:
        staged = sync.lists._staged("erp", "vendors", 0)
        staged.add(Page([vendor("V-21", name="Since")]))
    known = {id(one) for one in gc.get_objects() if isinstance(one, Record)}
    held, names = [], []
    for record in sync.lists.everywhere("erp", "vendors"):
        names.append(getattr(record, "name", ""))
        held.append(sum(1 for one in gc.get_objects() if isinstance(one, Record) and id(one) not in known))
    assert names == [getattr(one, "name", "") for one in sync.lists.snapshot("erp", "vendors")]
    assert len(names) == 13 and names.count("Since") == again
    assert again or max(held) <= 2, "the one that is looked at, and the one before it"


@pytest.mark.usefixtures("only_new_objects")
def test_a_list_that_is_taken_is_let_go_of_record_by_record(world: World) -> None:
    for number in range(20, 32):
        world.erp.put(vendor(f"V-{number}"))
    sync = world.sync()
    sync.lists.need("erp", "vendors")
    sync = world.sync(sync.run.run_id)
    known = {id(one) for one in gc.get_objects() if isinstance(one, Record)}
    names, held = [one.number for one in sync.lists.snapshot("erp", "vendors")], []
    taken = []
    for record in sync.lists.taken("erp", "vendors"):
        taken.append(record.number)
        held.append(sum(1 for one in gc.get_objects() if isinstance(one, Record) and id(one) not in known))
    del record
    assert taken == names and held == [*range(len(names), 0, -1)]
    assert [one.number for one in sync.lists.taken("erp", "vendors")] == names, "parsed anew"
    assert sync.lists.keys("erp", "vendors") == {("G1", name) for name in names}


def test_a_list_that_outgrows_the_room_is_not_held_while_it_is_read(full: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.financials.reading.lists.KEPT_ROWS", 1)
    sync = full.sync(params={"since": "2020-01-01"})
    sync.lists.need("erp", "cost_codes")
    assert sync.lists.parsed.get(("erp", "cost_codes", 0)) is None and len(sync.lists.snapshot("erp", "cost_codes")) > 1
