"""Extract and check: what is looked at, what it is judged to be, and that a later try says the same."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest

from include.financials import checks, gate, report
from include.financials.exceptions import RetryLater
from include.financials.judging.check import judge_rows
from include.financials.judging.memory import source_hash
from include.financials.judging.rules import Finding
from include.financials.judging.spool import of_judged, of_remembered
from include.financials.judging.subject import Subject
from include.financials.ledger import Judged, Remembered, stamp
from include.financials.ledger.room import CHUNK
from include.financials.port import SIDES, Invalid, Page
from include.financials.reading import chosen, extract
from include.financials.writing import engine
from tests.unit.financials.pair import ONLY, FakeErp, World, commitment, draft, line, make_settings, vendor

BAD = Invalid("vendors", "V-7", "V-7", "name", "has no text", scope="G1")


def staged(sync: Any, entity: str) -> list[str]:
    looked, answered = chosen.in_window(sync, entity, 0), extract.answered(sync, entity, 0).records
    return [one.number for one in (*filter(looked, sync.lists.each("erp", entity)), *filter(looked.waits, answered))]


def test_a_check_holds_a_part_of_what_it_judges(world: World) -> None:
    """And says the same of all as if it had held them at once."""
    for number in range(CHUNK + 20):
        world.erp.put(vendor(f"N-{number:04}"))
    held: list[int] = []

    def judged(entity: str, records: Sequence[Any], lines: Sequence[Any]) -> list[Finding]:
        held.append(sum(isinstance(one, Subject) for one in gc.get_objects()))
        return judge_rows(entity, records, lines)

    sync = world.sync(params={"entities": ["vendors"]})
    extract.extract(sync, "vendors")
    found = checks.check(sync, "vendors", [0], judged)
    assert len(held) == 2 and max(held) <= CHUNK < found.records == len(world.erp.records["vendors"])
    rows = sync.ledger.outcomes.of(sync.run.run_id, "vendors")
    assert found.actions == {"create": len(rows)} and {row.state for row in rows} == {"linked"}
    assert len(sync.ledger.records.seen("vendors", "erp")) == len(rows)


def test_what_is_said_is_packed_and_unpacked_as_it_was() -> None:
    rows = [Judged("r", "vendors", "01", side, "1", 0, "V-\xe9", "held", judged=True) for side in SIDES]
    said, remembered = of_judged(), of_remembered()
    known = [Remembered("vendors", "01", "erp", "1", "V-1", rule=None, deleted=True, figures='{"amount":"1.00"}')]
    for row in rows:
        said.add([row])
    said.add([])
    remembered.add(known)
    assert [*said] == rows == [*said] and [*remembered] == known


# -- extract --


def test_a_read_goes_on_at_its_cursor_and_reads_nothing_twice(world: World) -> None:
    for number in range(2, 8):
        world.erp.put(vendor(f"V-{number}"))
    world.erp.faults = {2: "later"}
    sync = world.sync()
    with pytest.raises(RetryLater):
        extract.extract(sync, "vendors")
    assert not sync.lists.has_snapshot("erp", "vendors")
    extract.extract(world.sync(sync.run.run_id), "vendors")
    assert staged(sync, "vendors") == [f"V-{n}" for n in range(1, 8)]
    assert world.erp.calls == ["read vendors"] * 5


def test_a_read_that_fails_after_its_last_page_does_not_begin_again(linked: World) -> None:
    """The list was read, then the records that wait were asked for by id and the ERP did not answer."""
    linked.ledger.records.remember([Remembered("vendors", "G1", "erp", "V-1", "V-1", state="held")])
    for number in range(2, 5):
        linked.erp.put(vendor(f"V-{number}"))
    sync = linked.sync(params={"since": stamp(linked.clock.now)})
    linked.erp.put(vendor("V-5"))
    linked.erp.missed = {("vendors", "V-1")}
    linked.erp.failing = {"read_ids vendors": "later"}
    linked.clock.tick()
    with pytest.raises(RetryLater):
        extract.extract(sync, "vendors")
    linked.erp.failing = {}
    pages = linked.erp.calls.count("read vendors")
    extract.extract(sync, "vendors")
    assert linked.erp.calls.count("read vendors") == pages, "the list is not read again"
    found = staged(sync, "vendors")
    assert sorted(found) == sorted(set(found)) and {"V-1"} <= set(found)
    checks.check(sync, "vendors", [0])


def test_a_record_that_moved_to_a_later_page_is_judged_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read = FakeErp.read

    def moving(self: FakeErp, entity: str, **options: Any) -> Iterator[Page]:
        if entity != "vendors":
            yield from read(self, entity, **options)
        else:
            yield Page([vendor("V-1", name="Before"), vendor("V-2")], cursor={"start": 2})
            yield Page([vendor("V-1", name="After")])

    monkeypatch.setattr(FakeErp, "read", moving)
    sync = world.sync()
    extract.extract(sync, "vendors")
    checks.check(sync, "vendors", [0])
    rows = world.ledger.outcomes.of(sync.run.run_id, "vendors")
    assert [row.number for row in rows] == ["V-1", "V-2"]
    assert '"After"' in rows[0].work


@pytest.fixture
def unreadable(linked: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The ERP's V-7 cannot be read any more, and it was stopped before."""
    linked.ledger.records.remember([Remembered("vendors", "G1", "erp", "V-7", "V-7", state="held")])
    read, read_ids = FakeErp.read, FakeErp.read_ids

    def with_bad(self: FakeErp, entity: str, **options: Any) -> Iterator[Page]:
        for page in read(self, entity, **options):
            page.invalid += [BAD] if entity == "vendors" and page.cursor is None else []
            yield page

    def ids_with_bad(self: FakeErp, entity: str, ids: Sequence[tuple[str | None, str]]) -> Iterator[Page]:
        for page in read_ids(self, entity, ids):
            page.invalid += [BAD] if "V-7" in {ident for _, ident in ids} else []
            yield page

    monkeypatch.setattr(FakeErp, "read", with_bad)
    monkeypatch.setattr(FakeErp, "read_ids", ids_with_bad)
    return linked


def test_a_record_that_cannot_be_read_is_quarantined_once(unreadable: World) -> None:
    sync = unreadable.run()
    assert unreadable.states(sync, "vendors") == {"V-1": ("unchanged", ""), "V-7": ("quarantined", "V-01")}
    row = next(row for row in unreadable.ledger.outcomes.of(sync.run.run_id, "vendors") if row.number == "V-7")
    assert row.message == "Vendor V-7: field name: has no text. Correct it in the ERP."


def test_stopped_records_are_taken_up_again_outside_the_window(linked: World) -> None:
    for _ in range(1000):
        linked.clock.tick()
    linked.erp.put(vendor("V-2", code=None))
    sync = linked.run()
    assert linked.states(sync, "vendors")["V-2"] == ("quarantined", "V-01")
    linked.erp.records["vendors"][-1] = linked.erp.get("vendors", number="V-2").model_copy(update={"code": "V-2"})
    report.move_watermarks(sync, ["vendors"])
    for _ in range(1000):
        linked.clock.tick()
    sync = linked.run()
    assert linked.states(sync, "vendors") == {"V-2": ("created", "")}, "V-1 lies outside the window"


def test_our_own_write_is_nobodys_change(linked: World) -> None:
    """Writing external ids moves the contract's time: a window over that time must not show it as changed then."""
    document = draft(linked)
    linked.run(params=ONLY)
    known = linked.ledger.records.seen("commitments", "procore")["", document.id]
    assert known.source_changed_at == stamp(document.updated_at)
    assert known.seen_updated_at > known.source_changed_at
    linked.run(params=ONLY)
    again = linked.ledger.records.seen("commitments", "procore")["", document.id]
    assert again.source_changed_at == stamp(document.updated_at)


def test_a_line_that_changed_without_its_header_is_noticed(linked: World) -> None:
    draft(linked)
    linked.run(params=ONLY)
    sync = linked.sync()
    report.move_watermarks(sync, ["commitments"])
    for _ in range(1000):
        linked.clock.tick()
    quiet: Any = linked.procore.get("commitments", number="SC-1")
    changed = quiet.model_copy(
        update={"amount": Decimal("150.00"), "lines": (quiet.lines[0].model_copy(update={"amount": Decimal("150.00")}),)}
    )
    linked.procore.records["commitments"] = [changed]
    assert linked.states(linked.run(params=ONLY), "commitments") == {"SC-1": ("conflicts", "M-14")}


# -- a later try says the same --


def again(world: World, entity: str, **options: Any) -> tuple[Any, Any]:
    sync = world.sync(**options)
    extract.extract(sync, entity)
    found = []
    for _ in range(2):
        checks.check(sync, entity, [0])
        found.append([row._replace(judged=False) for row in world.ledger.outcomes.of(sync.run.run_id, entity)])
    return found[0], found[1]


def test_a_check_that_is_tried_again_says_the_same(world: World) -> None:
    first, second = again(world, "vendors")
    assert first == second


def test_a_decided_vendor_is_linked_also_by_a_later_try(world: World) -> None:
    """Otherwise the second try would plan to create what the first had planned to link."""
    own = world.procore.put(vendor(id="90001", company=None))
    sync = world.run(params={"entities": ["vendors"]})
    assert world.states(sync, "vendors") == {"V-1": ("held", "2.9")}
    world.ledger.decisions.decide(entity="vendors", company="G1", record_id="V-1", pair="90001", decision="link", who="ann")
    first, second = again(world, "vendors")
    assert [row.action for row in first] == ["link"] and first == second
    sync = world.run(params={"entities": ["vendors"]})
    assert [record.id for record in world.procore.records["vendors"]] == [own.id]
    assert world.procore.records["vendors"][0].origin_id == "sandbox:G1:vendors:V-1"


def test_a_decided_document_is_linked_also_by_a_later_try(linked: World) -> None:
    linked.erp.put(commitment("SC-1", company="01", status="open"))
    document = draft(linked)
    sync = linked.run(params=ONLY)
    assert linked.states(sync, "commitments") == {"SC-1": ("held", "2.9")}
    linked.ledger.decisions.decide(
        entity="commitments", company="01", record_id="SC-1", pair=document.id, decision="link", who="ann"
    )
    first, second = again(linked, "commitments")
    assert [row.action for row in first] == ["link"] and first == second
    sync = linked.run(params=ONLY)
    assert linked.states(sync, "commitments") == {"SC-1": ("updated", "")}
    assert linked.erp.applied == {} and len(linked.erp.records["commitments"]) == 1


# -- the gate, run after run --


def stage(linked: World) -> World:
    for number in range(20):
        lines = (line(kind="9"),) if number < 6 else (line(),)
        linked.procore.put(draft(linked, f"SC-{number}", lines=lines).model_copy(update={"id": str(2**41 + number)}))
    linked.procore.records["commitments"] = [r for r in linked.procore.records["commitments"] if int(r.id) >= 2**41]
    return linked


def test_a_closed_stage_stays_closed_until_its_cause_is_mended(linked: World) -> None:
    world = stage(linked)
    for _ in range(2):
        sync = world.run(params=ONLY)
        states = world.states(sync, "commitments")
        assert sum(state == ("held", "gate") for state in states.values()) == 14
        assert world.erp.records["commitments"] == [], "nothing of a closed stage is written, not by running it again either"
    for number in range(3):
        code = world.procore.get("commitments", number="SC-9").lines  # type: ignore[attr-defined]
        world.procore.change("commitments", f"SC-{number}", lines=code)
    sync = world.run(params=ONLY)
    assert len(world.erp.records["commitments"]) == 17


def test_a_gate_that_is_tried_again_in_the_same_run_stays_closed(linked: World) -> None:
    world = stage(linked)
    sync = world.sync()
    extract.extract(sync, "commitments")
    for _ in range(2):
        checks.check(sync, "commitments", [0])
        opening = gate.verdict(world.ledger.outcomes.of(sync.run.run_id, "commitments"), world.settings.gate)
        assert (opening.passed, opening.judged, opening.failed) == (False, 20, 6)
        gate.close(sync, "commitments", opening)


def test_what_an_open_gate_carried_over_does_not_count_again(linked: World) -> None:
    world = stage(linked)
    world.settings = make_settings(gate={"min_failures": 7})
    sync = world.run(params=ONLY)
    assert len(world.erp.records["commitments"]) == 14
    sync = world.run(params=ONLY)
    opening = gate.verdict(world.ledger.outcomes.of(sync.run.run_id, "commitments"), world.settings.gate)
    assert (opening.judged, opening.failed) == (0, 0)


# -- states --


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"status": "Draft"}, ("skipped", "")),
        ({"kind": "purchase_order", "status": "Complete"}, ("skipped", "")),
        ({"kind": "purchase_order", "status": "Approved"}, ("created", "")),
        ({"status": "Complete"}, ("created", "")),
        ({"deleted": True}, ("skipped", "")),
        ({"origin_id": "vista:01:commitments:X"}, ("conflicts", "R-01")),
        ({"origin_id": "sandbox:01:commitments:SC-1"}, ("conflicts", "R-02")),
        ({"amount": Decimal("0.00"), "lines": (line(amount="0.00"),)}, ("created", "")),
    ],
)
def test_a_document_is_due_or_not(linked: World, changes: dict[str, Any], state: tuple[str, str]) -> None:
    draft(linked, **changes)
    assert linked.states(linked.run(params=ONLY), "commitments") == {"SC-1": state}


def test_a_total_of_zero_is_skipped_where_the_erp_takes_none(linked: World) -> None:
    from dataclasses import replace

    linked.erp.capability = {
        **linked.erp.capability,
        "commitments": replace(linked.erp.capability["commitments"], accepts_zero=False),
    }
    draft(linked, lines=(line(amount="0.00"),))
    assert linked.states(linked.run(params=ONLY), "commitments") == {"SC-1": ("skipped", "")}


def test_documents_from_before_the_start_are_not_created(linked: World) -> None:
    old = draft(linked)
    linked.settings = make_settings(documents_from=linked.clock.tick())
    assert linked.states(linked.run(params=ONLY), "commitments") == {"SC-1": ("skipped", "")}
    linked.procore.put(old)
    assert linked.states(linked.run(params=ONLY), "commitments") == {"SC-1": ("created", "")}


def test_lines_that_do_not_add_up_are_read_once_more(linked: World) -> None:
    draft(linked, amount=Decimal("100.01"))
    before = linked.procore.calls.count("read_ids commitments")
    sync = linked.run(params=ONLY)
    assert linked.procore.calls.count("read_ids commitments") == before + 1
    assert linked.states(sync, "commitments") == {"SC-1": ("quarantined", "M-09")}


def test_an_approval_ends_when_the_content_changes_also_if_it_is_put_back(linked: World) -> None:
    linked.settings = make_settings(approve_above=Decimal("99.99"))
    document = draft(linked)
    assert linked.states(linked.run(params=ONLY), "commitments") == {"SC-1": ("held", "M-13")}
    linked.ledger.decisions.decide(
        entity="commitments",
        company="01",
        record_id=document.id,
        content_hash=source_hash(document),
        decision="approve",
        who="ann",
    )
    linked.procore.change("commitments", "SC-1", title="Changed since")
    sync = linked.run(params=ONLY)
    assert linked.states(sync, "commitments") == {"SC-1": ("held", "M-13")}
    (row,) = linked.ledger.outcomes.of(sync.run.run_id, "commitments")
    assert "The approval by ann" in row.message and "has ended: the document was changed since" in row.message
    linked.procore.change("commitments", "SC-1", title="Steel")
    assert linked.states(linked.run(params=ONLY), "commitments") == {"SC-1": ("held", "M-13")}
    assert linked.writes() == 0


def test_a_vendor_that_left_procore_is_a_conflict_and_so_is_one_that_lost_its_id(linked: World) -> None:
    linked.procore.change("vendors", "V-1", origin_id=None)
    assert linked.states(linked.run(), "vendors") == {"V-1": ("conflicts", "R-02")}
    linked.procore.records["vendors"].clear()
    assert linked.states(linked.run(), "vendors") == {"V-1": ("conflicts", "R-02")}
    assert linked.procore.applied == {}, "a vendor that somebody removed is not made again"


def test_a_vendor_that_left_the_erp_is_a_conflict_until_it_is_back(linked: World) -> None:
    kept = list(linked.erp.records["vendors"])
    linked.erp.records["vendors"].clear()
    report = linked.run()
    assert linked.states(report, "vendors") == {"V-1": ("conflicts", "R-02")}
    assert linked.states(linked.run(), "vendors") == {"V-1": ("conflicts", "R-02")}, "nothing in the window tells of it any more"
    linked.erp.records["vendors"].extend(kept)
    assert linked.states(linked.run(), "vendors") == {"V-1": ("unchanged", "")}
    assert linked.procore.applied == {}


def test_procores_own_vendors_wait_for_accounting(linked: World) -> None:
    linked.procore.put(vendor("P-1", id="777", company=None, code=None))
    linked.procore.put(vendor("P-2", id="778", company=None, code=None, origin_id="vista:1:vendors:7"))
    linked.procore.put(vendor("P-3", id="779", company=None, code=None, origin_id="sandbox:G1:vendors:V-99"))
    states = linked.states(linked.run(), "vendors")
    assert states == {
        "V-1": ("unchanged", ""),
        "P-1": ("skipped", ""),
        "P-2": ("conflicts", "R-01"),
        "P-3": ("conflicts", "R-02"),
    }


def test_an_inactive_vendor_is_not_created_but_a_linked_one_is_updated(linked: World) -> None:
    linked.erp.put(vendor("V-2", active=False))
    linked.erp.change("vendors", "V-1", active=False)
    states = linked.states(linked.run(), "vendors")
    assert states == {"V-1": ("updated", ""), "V-2": ("skipped", "")}


def test_a_load_without_work_makes_no_call(linked: World) -> None:
    sync = linked.sync()
    calls = len(linked.procore.calls) + len(linked.erp.calls)
    assert engine.load(sync, "vendors").calls == 0
    assert len(linked.procore.calls) + len(linked.erp.calls) == calls
