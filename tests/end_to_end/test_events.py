"""Events are hints: whatever becomes of them, both systems end as if there were none, only sooner."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from include.procore.client import ProcoreClient
from include.procore.webhooks import Receiver, Webhooks, sweep
from sandbox import pipeline
from sandbox.chaos import people
from sandbox.chaos.receiving import OLD, Site, receiving
from tests.end_to_end.world import State, World, settings_with

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STEPS: tuple[Callable[[World], Any], ...] = (
    lambda world: world.edit("104-SC-003", title="Renamed"),
    lambda world: people.new_commitment(world, "104-SC-050", "104-SC-003", "1000.00", "2500.50"),
    lambda world: people.change_order(world, "104-SC-003", 3, status="approved"),
    lambda world: world.edit("104-SC-003", title="Renamed again"),
    lambda world: people.new_owner_invoice(world, "104-PC-001", "104-OI-04", "1000.00"),
)
"""What people do in Procore, one after the other."""
LOST = {"action": "event_drop", "resource_name": "^Work Order Contracts$", "after": 1}
"""From the second on: the new contract's approval, and its last name."""
CHANCES: dict[str, list[dict[str, Any]]] = {
    "all of them come": [],
    "some are lost": [LOST],
    "each comes twice": [{"action": "event_duplicate"}],
    "each behind the next": [{"action": "event_reorder", "seconds": 3600}],
    "all of it": [
        {**LOST, "times": 1}, {"action": "event_duplicate", "event_type": "update"},
        {"action": "event_reorder", "event_type": "create", "seconds": 30}, {"action": "event_same_timestamp"},
    ],
    "none comes": [{"action": "event_drop"}],
}  # fmt: skip


def picture(world: World) -> dict[str, Any]:
    """Without the webhooks themselves."""
    found = world.picture()
    return found | {"procore": {kind: rows for kind, rows in found["procore"].items() if not kind.startswith("webhook_")}}


@pytest.fixture(scope="module")
def by_polling(sandbox: World, tiny_states: dict[str, State]) -> dict[str, Any]:
    """The end of it where no event is ever sent: one scheduled run after all of it."""
    sandbox.back_to(tiny_states["settled"])
    for step in STEPS:
        step(sandbox)
        sandbox.advance(minutes=5)
    report = sandbox.quick(kind="scheduled")
    assert {name for name, row in report["entities"].items() if row["created"]} == {
        "commitments", "commitment_change_orders", "owner_invoices",
    }  # fmt: skip
    return picture(sandbox)


def hooked(world: World, site: Site) -> Webhooks:
    """Procore tells ``site``, when it is asked to."""
    info = world.info
    client = ProcoreClient(info["base_url"], info["login_url"], info["company_id"], info["client_id"], info["client_secret"])
    webhooks = Webhooks(client, Receiver(site.address, (OLD,)))
    webhooks.apply(webhooks.plan(settings_with()))
    world.control("POST", "/webhooks/worker", {"running": False})
    return webhooks


@pytest.mark.parametrize("chance", CHANCES)
def test_whatever_becomes_of_events_the_end_is_that_of_polling_alone(
    tiny: World, by_polling: dict[str, Any], chance: str
) -> None:
    runs = 0
    with receiving(tiny.folder) as site:
        webhooks = hooked(tiny, site)
        with closing(webhooks.client):
            for rule in CHANCES[chance]:
                tiny.fault(**rule)
            for step in STEPS:
                step(tiny)
                tiny.advance(minutes=5)
                tiny.control("POST", "/webhooks/deliver")
                if site.ledger.inbox.waiting():
                    tiny.run(events=True)
                    runs += 1
            before = tiny.audit()
            found = sweep(webhooks, site.ledger.inbox)
            report = tiny.quick(kind="scheduled")
    wrote = tiny.audit()[len(before) :]
    assert picture(tiny) == by_polling and report["reconciliation"]["balanced"] is True
    if chance == "all of them come":
        assert (runs, wrote, found["discarded"]) == (len(STEPS), [], 0), "there is nothing left for the scheduled run"
    if chance == "none comes":
        assert runs == 0 and found["new"] == found["discarded"] > len(STEPS)
    if chance == "some are lost":
        assert runs > 0 and wrote and 0 < found["new"] == found["discarded"]


def test_a_run_of_events_takes_them_once_and_reads_little(tiny: World) -> None:
    with receiving(tiny.folder) as site:
        webhooks = hooked(tiny, site)
        with closing(webhooks.client):
            tiny.edit("104-SC-003", title="Renamed")
            tiny.control("POST", "/webhooks/deliver")
            report = tiny.run(events=True)
            read = {row["path"].split("/")[3] for row in tiny.requests() if row["method"] == "GET"}
            with pipeline.opened(tiny.info, tiny.folder, "again", events=True) as sync:
                assert sync.run.entities == ()
    assert {name for name, row in report["entities"].items() if row["extracted"]} == {"commitments"}
    assert not read & {"requisitions", "payment_applications", "prime_contracts", "contract_payments"}
