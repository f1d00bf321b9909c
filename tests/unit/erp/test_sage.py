"""A whole sync with an ERP that is read from a replica and takes import files: the way of a commitment, its change order and its
invoice; what is refused, late, killed, copied and already there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.erp.files.folder import Folder
from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError, SyncError
from include.financials.reconciliation import reconcile
from include.financials.settings import EntitySettings
from include.financials.view import Sync
from tests.unit.erp.office import Office
from tests.unit.financials.pair import (
    NAMESPACE,
    Crash,
    World,
    change,
    change_line,
    commitment,
    in_procore,
    invoice,
    item,
    line,
    make_settings,
)
from tests.unit.financials.writing.test_accepted import by_hand, told

MASTERS = ("vendors", "projects", "cost_types", "cost_codes")
DOCUMENTS = ("commitments", "commitment_change_orders", "subcontractor_invoices")
WAITS = ("held", "accepted")
CODE = {"cost_code": "J-1//03-3000", "cost_type": "M"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "world").mkdir()
    made = World(tmp_path / "world")
    entities = {
        name: spec if name in (*MASTERS, *DOCUMENTS) else EntitySettings(writes="off")
        for name, spec in make_settings().entities.items()
    }
    made.settings = make_settings(entities=entities, cost_type_codes={"M": "M", "L": "L"})
    yield made
    made.close()


@pytest.fixture
def office(world: World, tmp_path: Path) -> Office:
    made = Office(tmp_path / "office", world.clock.now)
    run(world, made)
    return made


def run(world: World, office: Office) -> Sync:
    """A run as another process makes it."""
    erp: Any = office.system(NAMESPACE)
    erp.records = {name: [] for name in ENTITIES}  # what the world of these tests looks at, to see what is in use
    world.erp = erp
    try:
        sync = world.sync(params={"entities": [*MASTERS, *DOCUMENTS]})
        for name in sync.run.entities:
            world.stage(sync, name)
    finally:
        erp.close()
    return sync


def nightly(world: World, office: Office) -> Sync:
    """The clerk imports, the replica is brought up to date, and a run looks."""
    office.take()
    office.refresh(world.clock.now)
    return run(world, office)


def contract(world: World, **changes: Any) -> Any:
    lines = (line(1, "100.00", description="Slab", **CODE), line(2, "50.25", description="Walls", **CODE))
    given = {"project": "J-1", "vendor": "V-1", "title": "Concrete", "retainage_percent": Decimal(10), "lines": lines}
    return in_procore(world, commitment("SC-1", **(given | changes)))


def order(world: World) -> Any:
    lines = (change_line(1, "10.00", **CODE), change_line(2, "-2.50", of=2, **CODE))
    return in_procore(world, change("001", project="J-1", lines=lines))


def bill(world: World, **changes: Any) -> Any:
    return in_procore(world, invoice(1, project="J-1", items=(item("L1", "40.00", "4.00"),), **changes))


def test_a_contract_goes_all_the_way(world: World, office: Office) -> None:
    own, changed, billed = contract(world), order(world), bill(world)
    first = run(world, office)
    assert world.states(first, "commitments") == {"SC-1": WAITS}
    assert world.states(first, "commitment_change_orders")["SC-1/001"][0] == "held"
    assert world.states(first, "subcontractor_invoices")["N-1"][0] == "held"
    assert world.states(run(world, office), "commitments") == {"SC-1": WAITS} and len(office.waiting()) == 1
    posted = nightly(world, office)
    assert world.states(posted, "commitments") == {"SC-1": ("updated", "")}
    assert office.rows("SELECT Commitment, Amount, Date FROM JCM_MASTER__COMMITMENT") == [("SC-1", "150.25", None)]
    assert world.procore.get("commitments", id=own.id).origin_id == f"{NAMESPACE}:01:commitments:SC-1"
    assert world.states(posted, "commitment_change_orders") == {"SC-1/001": WAITS}
    assert world.states(posted, "subcontractor_invoices") == {"N-1": WAITS}
    both = nightly(world, office)
    assert world.states(both, "commitment_change_orders") == {"SC-1/001": ("updated", "")}
    assert world.states(both, "subcontractor_invoices") == {"N-1": ("updated", "")}
    assert office.rows("SELECT Invoice, Amount, Retainage, Status FROM APM_MASTER__INVOICE") == [
        ("N-1", "40.00", "4.00", "Entered")
    ]
    office.run("UPDATE APM_MASTER__INVOICE SET Status = 'Posted'")
    last = nightly(world, office)
    assert {name: set(world.states(last, name).values()) for name in DOCUMENTS} == {
        name: {("unchanged", "")} for name in DOCUMENTS
    }
    assert reconcile(last).balanced
    assert [(link.erp_key, link.procore_id) for name in DOCUMENTS for link in world.ledger.links.of(name)] == [
        ("SC-1", own.id), ("SC-1/001", changed.id), ("V-1/N-1", billed.id),
    ]  # fmt: skip
    assert sorted(office.imported) == sorted(set(office.imported)) and len(office.imported) == 3


def test_taken_and_not_shown_yet_is_not_sent_again(world: World, office: Office) -> None:
    """The replica lags behind the import, and no journal says that the file was taken. Without retainage the ERP keeps zero."""
    contract(world, retainage_percent=None)
    run(world, office)
    office.take(journal=False)
    for _ in range(2):
        assert world.states(run(world, office), "commitments") == {"SC-1": WAITS} and office.waiting() == []
    office.refresh()
    assert world.states(run(world, office), "commitments") == {"SC-1": ("updated", "")} and len(office.imported) == 1


def test_what_the_replica_shows_otherwise_is_told_and_not_linked(world: World, office: Office) -> None:
    contract(world)
    run(world, office)
    office.take()
    office.books[0][2][1]["Amount"] = "5.25"
    office.refresh(world.clock.now)
    shown = run(world, office)
    assert world.states(shown, "commitments") == {"SC-1": ("conflicts", "M-14")} and world.ledger.links.of("commitments") == []
    assert "line 2 amount 5.25 -> 50.25" in told(world, shown, "commitments", "SC-1") and office.waiting() == []


def test_rejected_is_told_and_sent_again_under_another_name(world: World, office: Office) -> None:
    own = contract(world)
    run(world, office)
    (first,) = office.waiting()
    office.refuses[own.id] = "Vendor V-1 is on hold"
    refused = nightly(world, office)
    assert world.states(refused, "commitments") == {"SC-1": ("quarantined", "refused")}
    assert "and refused there: Vendor V-1 is on hold" in told(world, refused, "commitments", "SC-1")
    assert office.waiting() == [], "what was refused is sent by the next run"
    office.refuses.clear()
    assert world.states(run(world, office), "commitments") == {"SC-1": WAITS}
    (second,) = office.waiting()
    assert second != first
    assert world.states(nightly(world, office), "commitments") == {"SC-1": ("updated", "")} and len(office.imported) == 1


def test_what_is_never_posted_is_asked_about_and_looked_for_before_it_is_sent_again(world: World, office: Office) -> None:
    contract(world)
    run(world, office)
    office.take(journal=False)
    world.clock.now += timedelta(days=6)
    books, office.books = office.books, []
    office.refresh(world.clock.now)
    late = run(world, office)
    assert world.states(late, "commitments") == {"SC-1": ("blocked", "overdue")} and office.waiting() == []
    assert "is not posted after 6 days. Ask who posts there." in told(world, late, "commitments", "SC-1")
    by_hand(world, "resend", "commitment", "SC-1")
    office.books = books
    office.refresh()
    assert world.states(run(world, office), "commitments")["SC-1"][1] == "" and office.waiting() == []
    assert len(office.imported) == 1


@pytest.mark.parametrize("when", ["before the file is there", "after the file is there"])
def test_a_run_that_is_killed_sends_nothing_twice(
    world: World, office: Office, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract(world)
    publish = Folder.publish

    def killed(self: Folder, path: str) -> None:
        if path.startswith("imports/"):
            if when.startswith("after"):
                publish(self, path)
            raise Crash
        publish(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "publish", killed)
        with contextlib.suppress(Crash):
            run(world, office)
    for _ in range(2):
        world.clock.now += timedelta(hours=1)
        office.refresh(world.clock.now)
        with contextlib.suppress(SyncError):
            run(world, office)
    assert len(office.waiting()) == 1
    assert world.states(nightly(world, office), "commitments") == {"SC-1": ("updated", "")} and len(office.imported) == 1


def test_a_lost_ledger_sends_nothing_that_was_handed_over(world: World, office: Office, tmp_path: Path) -> None:
    contract(world)
    run(world, office)
    office.take(journal=False)
    other = world.without_ledger(tmp_path / "other")
    other.settings, other.procore = world.settings, world.procore
    run(other, office)
    assert other.states(run(other, office), "commitments") == {"SC-1": WAITS} and office.waiting() == []
    other.close()


def test_a_copy_with_its_marker_is_told_and_neither_is_linked(world: World, office: Office) -> None:
    contract(world)
    run(world, office)
    office.take()
    office.books.append((office.books[0][0], office.books[0][1] | {"Commitment": "SC-1B"}, office.books[0][2]))
    office.refresh(world.clock.now)
    twice = run(world, office)
    assert world.states(twice, "commitments") == {"SC-1": ("blocked", "twin")} and world.ledger.links.of("commitments") == []
    assert office.waiting() == []


def test_a_replica_that_is_no_longer_brought_up_to_date_stops_a_run(world: World, office: Office) -> None:
    contract(world)
    shown = office.shown
    office.shown += timedelta(hours=27)  # our clock; the replica's stands
    with pytest.raises(
        ConfigurationError, match=f"shows the ERP as of {shown:%Y-%m-%d %H:%M} UTC, 27 hours ago, and may be 26 hours"
    ):
        run(world, office)
    assert office.waiting() == []
