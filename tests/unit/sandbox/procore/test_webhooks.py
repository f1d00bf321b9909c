"""Webhooks: management, which changes fire, payloads, delivery by the clock, faults, restart."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest
import requests

from sandbox.clock import instant
from sandbox.faults import EVENT_ACTIONS
from sandbox.procore.resources import BY_KIND
from sandbox.procore.settings import APPLICATION_ID, Settings
from sandbox.procore.webhooks.delivery import Answer, pause, post
from sandbox.procore.webhooks.table import EVENT_TYPES, TABLE, Fires, event_type, row_of
from sandbox.world import World
from tests.unit.sandbox.procore.serving import (
    APPROVED,
    CAST,
    COMPANY,
    CONCRETE,
    DRAFT,
    HIDDEN,
    P1,
    P2,
    STEEL,
    STEELWORK,
    SUBCONTRACT,
    Caller,
    row,
    serving,
)  # fmt: skip

OURS, THEIRS = 5_100_001, 9_001
SECRET = "Bearer 0123456789abcdef"
V1 = "/webhooks/hooks"
V2 = f"/rest/v2.0/companies/{COMPANY}/webhooks"
V2_P1 = f"/rest/v2.0/companies/{COMPANY}/projects/{P1}/webhooks"
IN_COMPANY, IN_PROJECT = {"company_id": COMPANY}, {"project_id": P1}
VENDOR = {**IN_COMPANY, "vendor": {"name": "Heard of"}}
SOON = 20
"""Seconds after which something that must come is given up; nothing here waits for it in vain."""


class Receiver:
    """An HTTP server on a thread. ``statuses``: what is answered next to ``/events``; then, and elsewhere, 200."""

    def __init__(self) -> None:
        self.got: Queue[tuple[dict[str, str], Any]] = Queue()
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = receiver.statuses.pop(0) if receiver.statuses and self.path.startswith("/events") else 200
                receiver.got.put((dict(self.headers.items()), body))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"seen")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/events?of=procore"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def payloads(self) -> list[Any]:
        """What has come so far."""
        found = []
        while not self.got.empty():
            found.append(self.got.get_nowait()[1])
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def by_hand(api: Caller) -> Iterator[Caller]:
    """The caller; nothing is delivered but on demand."""
    api.control("POST", "/webhooks/worker", {"running": False})
    yield api
    api.control("POST", "/webhooks/worker", {"running": True})


def hook(api: Caller, url: str, *triggers: str, version: str = "v3.0", base: str = V2) -> int:
    """A hook that is told of these, ``Resource: type``; of vendors' changes when none is named."""
    sent = {
        "namespace": "erp",
        "destination_url": url,
        "payload_version": version,
        "destination_headers": {"Authorization": SECRET},
    }
    id = api.send("POST", f"{base}/hooks", sent, 201)["data"]["id"]
    wanted = [text.split(": ") for text in triggers or ("Company Vendors: update",)]
    entries = [{"resource_name": name, "event_type": type_} for name, type_ in wanted]
    api.send("POST", f"{base}/hooks/{id}/triggers/bulk", entries, 201)
    return int(id)


def deliver(api: Caller, advance: float = 0) -> int:
    if advance:
        api.control("POST", "/clock", {"advance": advance})
        api.login()  # the token may have ended meanwhile
    return int(api.control("POST", "/webhooks/deliver")["attempts"])


def rename(api: Caller, name: str, vendor: int = STEEL) -> None:
    api.send("PATCH", f"/vendors/{vendor}", {**IN_COMPANY, "vendor": {"name": name}})


def listed(api: Caller, id: int, query: str = "") -> list[dict[str, Any]]:
    return list(api.get(f"{V2}/hooks/{id}/deliveries?per_page=100{query}")["data"])


def fault(api: Caller, action: str, **rule: Any) -> None:
    api.control("POST", "/faults", {"action": action, **rule})


def fired(api: Caller) -> dict[str, int]:
    return {rule["action"]: rule["fired"] for rule in api.control("GET", "/faults")}


# -- management, v1.0 ------------------------------------------------------------------------------------------------------


def hook_body(**changes: Any) -> dict[str, Any]:
    hook = {"api_version": "v2", "namespace": "erp", "destination_url": "http://127.0.0.1:9/x", **changes}
    return {**IN_COMPANY, "hook": {name: value for name, value in hook.items() if value is not None}}


def test_a_hook_of_v1_from_its_making_to_its_end(api: Caller) -> None:
    made = api.send("POST", V1, hook_body(destination_headers={"Authorization": SECRET}), 201)
    id = made.pop("id")
    assert made == {
        "api_version": "v2",
        "namespace": "erp",
        "destination_url": "http://127.0.0.1:9/x",
        "destination_headers": {"Authorization": "*" * (len(SECRET) - 5) + "bcdef"},
        "owned_by_company_id": COMPANY,
        "owned_by_project_id": None,
        "owned_by_user_id": OURS,
    }
    assert [found["id"] for found in api.get(f"{V1}?company_id={COMPANY}&namespace=erp&api_version=v2")] == [id]
    assert api.get(f"{V1}?company_id={COMPANY}&namespace=other") == [] == api.get(f"{V1}?project_id={P1}")
    changed = api.send("PATCH", f"{V1}/{id}", {**IN_COMPANY, "hook": {"namespace": "b-2", "destination_headers": {}}})
    assert (changed["namespace"], changed["destination_headers"], changed["destination_url"]) == (
        "b-2",
        {},
        made["destination_url"],
    )
    api.send("PATCH", f"{V1}/{id}", {**IN_PROJECT, "hook": {"namespace": "c"}}, 404)
    reply = api("DELETE", f"{V1}/{id}?company_id={COMPANY}")
    assert (reply.status_code, reply.content) == (200, b"")
    assert api.get(f"{V1}?company_id={COMPANY}") == []


@pytest.mark.parametrize(("changes", "field"), [
    ({"namespace": None}, "namespace"), ({"namespace": "ERP"}, "namespace"), ({"namespace": "a_b"}, "namespace"),
    ({"api_version": "v1"}, "api_version"), ({"api_version": None}, "api_version"),
    ({"destination_url": "http://example.com/"}, "destination_url"), ({"destination_url": "ftp://127.0.0.1/"}, "destination_url"),
    ({"destination_url": "nowhere"}, "destination_url"), ({"destination_url": "https://[::1"}, "destination_url"),
    ({"destination_headers": {"Authorization": "a\nb"}}, "destination_headers"),
    ({"destination_headers": {"Cookie": "a"}}, "destination_headers"),
])  # fmt: skip
def test_a_hook_that_is_refused(api: Caller, changes: dict[str, Any], field: str) -> None:
    assert field in api.send("POST", V1, hook_body(**changes), 400)["fields"]
    assert api.get(f"{V1}?company_id={COMPANY}") == []


@pytest.mark.parametrize(("scope", "status"), [
    ("", 400), (f"company_id={COMPANY}&project_id={P1}", 400), ("company_id=1", 403), (f"project_id={HIDDEN}", 404),
    ("project_id=x", 400), (f"project_id={P1}", 200), (f"company_id={COMPANY}", 200),
])  # fmt: skip
def test_the_scope_is_a_company_or_a_project(api: Caller, scope: str, status: int) -> None:
    api.get(f"{V1}?{scope}", status)


def test_triggers_of_v1(api: Caller) -> None:
    id = api.send("POST", V1, hook_body(), 201)["id"]
    path, versioned = f"{V1}/{id}/triggers", {**IN_COMPANY, "api_version": "v2.0"}
    vendors = {"resource_name": "Company Vendors", "event_type": "update"}
    made = api.send("POST", path, {**versioned, "trigger": vendors}, 201)
    assert made == {
        "id": made["id"], "webhook_hook_id": id, "resource_name": "Company Vendors", "resource_id": None,
        "event_type": "UPDATE", "company_id": COMPANY, "project_id": None, "user_id": OURS,
    }  # fmt: skip
    assert api.get(f"{path}?company_id={COMPANY}") == [made]
    api.send("POST", path, {**versioned, "trigger": vendors}, 422)
    api.send("POST", path, {**versioned, "trigger": {**vendors, "resource_name": "Requisitions"}}, 400)
    api.send("POST", path, {**versioned, "trigger": {**vendors, "event_type": "delete"}}, 400)
    api.send("POST", path, {**versioned, "trigger": {**vendors, "event_type": "UPDATE"}}, 400)
    api.send("POST", path, {**versioned, "api_version": "v3", "trigger": {**vendors, "event_type": "create"}}, 400)
    assert api("DELETE", f"{path}/{made['id']}?company_id={COMPANY}").status_code == 200
    assert api.get(f"{path}?company_id={COMPANY}") == []
    assert api("DELETE", f"{path}/{made['id']}?company_id={COMPANY}").status_code == 404


def test_bulk_triggers_of_v1(api: Caller) -> None:
    id = api.send("POST", V1, hook_body(), 201)["id"]
    path, versioned = f"{V1}/{id}/triggers/bulk", {**IN_COMPANY, "api_version": "v2"}
    good = [{"resource_name": "Direct Costs", "event_type": type_} for type_ in ("create", "update", "delete")]
    bad = {"resource_name": "Tax Codes", "event_type": "create"}
    assert [row["event_type"] for row in api.send("POST", path, {**versioned, "triggers": good[:2]})["success"]] == [
        "CREATE",
        "UPDATE",
    ]
    mixed = api.send("POST", path, {**versioned, "triggers": [bad, good[2], {"event_type": "create"}]}, 207)
    assert [row["event_type"] for row in mixed["success"]] == ["DELETE"]
    assert [(entry["code"], set(entry)) for entry in mixed["failed"]] == [(400, {"code", "message", "trigger", "errors"})] * 2
    assert mixed["failed"][0]["trigger"] == bad and set(mixed["failed"][1]["errors"]) == {"resource_name"}
    assert set(api.send("POST", path, {**versioned, "triggers": [bad] * 501}, 413)) == {"errors"}
    assert len(api.send("DELETE", path, {**versioned, "triggers": good})["success"]) == 3
    assert [entry["code"] for entry in api.send("DELETE", path, {**versioned, "triggers": good[:1]}, 207)["failed"]] == [404]
    assert api.get(f"{V1}/{id}/triggers?company_id={COMPANY}") == []


def test_resources_of_v1(api: Caller) -> None:
    assert api.get(f"/webhooks/resources/api_versions?company_id={COMPANY}") == ["v2.0", "v3.0", "v4.0"]
    rows = [found for found in api.get(f"/webhooks/resources?company_id={COMPANY}") if found["api_version"] == "v2.0"]
    assert len(rows) == len(TABLE) == 28
    assert [found["except"] for found in rows if found["create"] == "Create Company Vendors"] == [["delete"]]
    of_project = api.get(f"/webhooks/resources?project_id={P1}")
    assert len(of_project) == 3 * sum(entry.scope == "project" for entry in TABLE)


def test_without_the_permission(api: Caller, world: World) -> None:
    world.procore.configure(Settings(webhooks_api=False))
    api.get(f"{V1}?company_id={COMPANY}", 403)
    api.send("POST", V1, hook_body(), 403)
    assert set(api.get(f"{V2}/hooks", 403)) == {"error"}
    assert api.as_user("GET", f"{V1}?company_id={COMPANY}").status_code == 200


# -- management, v2.0 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("base", "owner"), [(V2, (str(COMPANY), None)), (V2_P1, (None, str(P1)))])
def test_hooks_of_v2(api: Caller, base: str, owner: tuple[str | None, str | None]) -> None:
    sent = {"payload_version": "v4.0", "namespace": "erp", "destination_url": "https://127.0.0.1:9/"}
    made = api.send("POST", f"{base}/hooks", {**sent, "destination_headers": {"Authorization": "short"}}, 201)["data"]
    assert (made["company_id"], made["project_id"]) == owner and isinstance(made["id"], str)
    assert (made["status"], made["trigger_count"], made["payload_version"]) == ("active", 0, "v4.0")
    assert made["destination_headers"] == {"Authorization": "*****short"}
    path = f"{base}/hooks/{made['id']}"
    assert api.get(path)["data"] == made
    costs = {"resource_name": "Direct Costs", "event_type": "create"}
    trigger = api.send("POST", f"{path}/triggers", costs, 201)["data"]
    assert trigger == {
        **costs,
        "id": trigger["id"],
        "webhook_hook_id": made["id"],
        "company_id": owner[0],
        "project_id": owner[1],
    }
    assert api.get(f"{path}/triggers")["data"] == [trigger] and api.get(path)["data"]["trigger_count"] == 1
    assert api.get(f"{base}/hooks?include_trigger_count=true&namespace=erp&payload_version=v4.0")["data"][0]["trigger_count"] == 1
    assert api.send("PATCH", path, {"namespace": "other"})["data"]["namespace"] == "other"
    assert api("DELETE", f"{path}/triggers/{trigger['id']}").status_code == 204
    other = (V2_P1 if base == V2 else V2) + f"/hooks/{made['id']}"
    assert set(api.get(other, 404)) == {"error"}
    assert api("DELETE", path).status_code == 204
    api.get(path, 404)


def test_refusals_of_v2(api: Caller) -> None:
    sent = {"payload_version": "v2.0", "namespace": "erp", "destination_url": "http://127.0.0.1:9/"}
    refused = api.send("POST", f"{V2}/hooks", {**sent, "namespace": "Ä"}, 400)
    assert refused["error"]["details"][0]["source"] == {"parameter": "namespace"}
    api.send("POST", f"{V2}/hooks", {**sent, "colour": "red"}, 400)
    api.send("POST", V2.replace(str(COMPANY), "1") + "/hooks", sent, 403)
    id = api.send("POST", f"{V2_P1}/hooks", sent, 201)["data"]["id"]
    vendors = {"resource_name": "Company Vendors", "event_type": "update"}
    api.send("POST", f"{V2_P1}/hooks/{id}/triggers", vendors, 400)
    api.send("POST", f"{V2_P1}/hooks/{id}/triggers/bulk", vendors, 400)
    api.get(f"{V2}/resources", 400)


def test_bulk_triggers_of_v2(api: Caller) -> None:
    id = hook(api, "http://127.0.0.1:9/", "Direct Costs: create")
    path = f"{V2}/hooks/{id}/triggers/bulk"
    costs, bad = {"resource_name": "Direct Costs", "event_type": "update"}, {"resource_name": "Nothing", "event_type": "update"}
    made, failed = api.send("POST", path, [costs, bad], 207)["data"]
    assert made["event_type"] == "update" and (failed["resource_name"], failed["code"]) == ("Nothing", 400)
    assert set(api.send("POST", path, [costs] * 501, 413)) == {"error"}
    removed = api.send("DELETE", path, [costs, bad], 207)["data"]
    assert [len(removed[name]) for name in ("succeeded", "failed")] == [1, 1]
    assert set(api.send("DELETE", path, [{**costs, "event_type": "create"}])["data"]) == {"succeeded"}


def test_pages_of_v2(api: Caller) -> None:
    path = f"{V2}/resources?payload_version=v3.0"
    assert [len(api.get(f"{path}&page={page}")["data"]) for page in (1, 2, 3)] == [10, 10, 8]
    assert len(api.get(f"{path}&per_page=1000")["data"]) == 28
    shown = api.get(f"{V2_P1}/resources?payload_version=v4")["data"][0]
    assert shown == {
        "category": "Financial Management", "tool": "Budget", "name": "Budget Changes", "payload_version": "v4.0",
        "actions": ["create", "update", "delete"],
    }  # fmt: skip


# -- payloads ----------------------------------------------------------------------------------------------------------------


def test_what_is_sent(api: Caller, receiver: Receiver) -> None:
    """By the worker, as soon as the call was answered."""
    hook(api, receiver.url, version="v2.0")
    rename(api, "Heard of")
    headers, payload = receiver.got.get(timeout=SOON)
    assert headers["Authorization"] == SECRET and headers["Content-Type"] == "application/json"
    assert set(headers) == {"Host", "Accept-Encoding", "Content-Length", "Content-Type", "Authorization"}
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", payload.pop("ulid")) and isinstance(payload.pop("id"), int)
    assert re.fullmatch(r"2026-09-30T18:\d\d:\d\d\.\d{6}Z", payload.pop("timestamp"))
    assert payload == {
        "metadata": {
            "source_user_id": OURS,
            "source_project_id": None,
            "source_operation_id": None,
            "source_company_id": COMPANY,
            "source_application_id": APPLICATION_ID,
        },
        "user_id": OURS,
        "company_id": COMPANY,
        "project_id": None,
        "api_version": "v2.0",
        "event_type": "update",
        "resource_name": "Company Vendors",
        "resource_id": STEEL,
    }


def test_payloads_of_v3_name_the_parent_of_a_line(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url, "Work Order Contract Line Items: create", "Work Order Contracts: update")
    line = {"cost_code_id": CAST, "line_item_type_id": SUBCONTRACT, "amount": "1.00"}
    by_hand.send("POST", f"/work_order_contracts/{DRAFT}/line_items", {**IN_PROJECT, "line_item": line}, 201)
    by_hand.send("PATCH", f"/work_order_contracts/{DRAFT}", {**IN_PROJECT, "work_order_contract": {"title": "Other"}})
    assert deliver(by_hand) == 2
    of_line, of_contract = receiver.payloads()
    assert (of_line["api_version"], of_line["project_id"], of_line["metadata"]["source_project_id"]) == ("v3.0", P1, P1)
    assert of_line["related_resources"] == [{"id": DRAFT, "name": "Work Order Contracts"}]
    assert (of_contract["related_resources"], of_contract["resource_id"]) == ([], DRAFT)


def test_payloads_of_v4_are_texts(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url, "Company Vendors: update", "Cost Codes: update", version="v4.0")
    rename(by_hand, "One")
    rename(by_hand, "Two")
    by_hand.send("PATCH", f"/cost_codes/{CAST}", {**IN_PROJECT, "cost_code": {"code": "3000", "name": "Cast"}})
    assert deliver(by_hand) == 3
    *of_company, of_project = receiver.payloads()
    assert sorted("project_id" in payload for payload in of_company) == [False, True]
    assert [payload.get("project_id") for payload in of_company] == [None, None]
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", of_project.pop("id")) and of_project.pop("timestamp")
    assert of_project == {
        "reason": "update", "company_id": str(COMPANY), "project_id": str(P1), "user_id": str(OURS),
        "resource_type": "Cost Codes", "resource_id": str(CAST),
    }  # fmt: skip


def test_people_are_other_users(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url)
    assert by_hand.as_user("PATCH", f"/vendors/{STEEL}", VENDOR).status_code == 200
    deliver(by_hand)
    (payload,) = receiver.payloads()
    assert (payload["user_id"], payload["metadata"]["source_user_id"]) == (THEIRS, THEIRS)
    assert payload["metadata"]["source_application_id"] is None


# -- which changes fire --------------------------------------------------------------------------------------------------------

NEW_LINE = {"cost_code_id": CAST, "line_item_type_id": SUBCONTRACT, "amount": "1.00"}
COST = {"direct_cost_type": "invoice", "vendor_id": STEEL, "invoice_number": "A-1"}
EVERYTHING = tuple(f"{entry.name}: {type_}" for entry in TABLE for type_ in entry.actions)


def events(api: Caller, receiver: Receiver) -> list[tuple[str, str, int]]:
    """What came since the last look, in order."""
    deliver(api)
    return [(found["resource_name"], found["event_type"], found["resource_id"]) for found in receiver.payloads()]


def test_every_row_of_the_table_is_a_resource_here(api: Caller) -> None:
    """Its kind is one that calls can write, and those that have no webhook are none of them."""
    kinds = {entry.kind for entry in TABLE if entry.kind}
    assert kinds <= set(BY_KIND)
    assert set(BY_KIND) - kinds == {"requisitions", "wbs_codes", "billing_periods", "tax_codes", "budget_modifications"}


@pytest.mark.parametrize("entry", [entry for entry in TABLE if entry.kind], ids=lambda entry: str(entry.name))
def test_what_each_row_fires(entry: Fires) -> None:
    """By its own name, and nothing that cannot be subscribed to."""
    record: dict[str, Any] = {"id": 1, "contract_kind": entry.contract or "work_order_contracts", "updated_at": "a", "name": "a"}
    assert row_of(entry.kind, record) is entry
    touched = {**record, "updated_at": "b", **dict.fromkeys(entry.silent, "b")}
    changes = {"create": (None, record), "update": (record, {**touched, "name": "b"}), "delete": (record, None)}
    found = {name: event_type(entry, *change) for name, change in changes.items()}
    assert found == {name: name if name in entry.actions and name not in entry.mute else None for name in EVENT_TYPES}
    gone = {**touched, "deleted_at": "b"}
    assert event_type(entry, record, touched) is None is event_type(entry, gone, {**gone, "name": "b"})
    assert event_type(entry, record, gone) == found["delete"]


def test_create_update_and_delete_fire_once(by_hand: Caller, receiver: Receiver, world: World) -> None:
    api = by_hand
    hook(api, receiver.url, *EVERYTHING)
    cost = api.send("POST", f"/rest/v1.1/projects/{P1}/direct_costs", {"direct_cost": COST}, 201)["id"]
    assert events(api, receiver) == [("Direct Costs", "create", cost)]
    path = f"/rest/v1.1/projects/{P1}/direct_costs/{cost}"
    api.send("PATCH", path, {"direct_cost": {"terms": "Net 30"}})
    assert events(api, receiver) == [("Direct Costs", "update", cost)]
    api.send("PATCH", path, {"direct_cost": {"terms": "Net 30"}})
    assert events(api, receiver) == [], "nothing was stored"
    api.send("DELETE", path, None)
    assert events(api, receiver) == [("Direct Costs", "delete", cost)]
    assert world.store.count("webhook_deliveries") == 3


def test_a_line_fires_and_the_sums_do_not(by_hand: Caller, receiver: Receiver) -> None:
    api = by_hand
    hook(api, receiver.url, *EVERYTHING)
    line = api.send("POST", f"/work_order_contracts/{DRAFT}/line_items", {**IN_PROJECT, "line_item": NEW_LINE}, 201)["id"]
    assert events(api, receiver) == [("Work Order Contract Line Items", "create", line)]


def test_a_contract_that_is_only_touched_fires_nothing(by_hand: Caller, receiver: Receiver, world: World) -> None:
    world.procore.configure(Settings(line_touches_parent=True))
    hook(by_hand, receiver.url, *EVERYTHING)
    before = world.store.get("work_order_contracts", DRAFT)
    line = by_hand.send("POST", f"/work_order_contracts/{DRAFT}/line_items", {**IN_PROJECT, "line_item": NEW_LINE}, 201)["id"]
    assert world.store.get("work_order_contracts", DRAFT) != before
    assert events(by_hand, receiver) == [("Work Order Contract Line Items", "create", line)]


def test_a_contract_that_is_hidden_away_is_deleted(by_hand: Caller, receiver: Receiver, world: World) -> None:
    hook(by_hand, receiver.url, *EVERYTHING)
    by_hand.send("DELETE", f"/work_order_contracts/{DRAFT}?project_id={P1}", None)
    assert world.store.get("work_order_contracts", DRAFT) is not None
    assert events(by_hand, receiver) == [("Work Order Contracts", "delete", DRAFT)]


def test_a_sync_fires_for_each_record(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url, *EVERYTHING)
    updates = [{"id": STEEL, "city": "A"}, {"id": CONCRETE, "city": "B"}, {"id": 1, "city": "C"}, {"name": "Brand new"}]
    made, _ = by_hand.sync("/vendors/sync", updates, **IN_COMPANY)
    new = next(vendor["id"] for vendor in made if vendor["id"] not in (STEEL, CONCRETE))
    assert events(by_hand, receiver) == [
        ("Company Vendors", "update", STEEL),
        ("Company Vendors", "update", CONCRETE),
        ("Company Vendors", "create", new),
    ]


def test_what_has_no_webhook_fires_nothing(by_hand: Caller, receiver: Receiver) -> None:
    """Requisitions, WBS codes, billing periods, tax codes; change orders fire under the name of their package."""
    api = by_hand
    hook(api, receiver.url, *EVERYTHING)
    invoice = {**IN_PROJECT, "commitment_id": APPROVED, "requisition": {"invoice_number": "1"}}
    api.send("POST", "/rest/v1.1/requisitions", invoice, 201)
    period = {"start_date": "2026-07-01", "end_date": "2026-07-31", "due_date": "2026-07-25", "status": "open"}
    api.send("POST", f"/projects/{P1}/billing_periods", {"billing_period": period}, 201)
    api.sync("/tax_codes/sync", [{"code": "OH", "rate1": 7.25}], **IN_COMPANY)
    codes = f"/rest/v1.0/projects/{P1}/work_breakdown_structure/wbs_codes/bulk_create"
    parts = [{"segment_id": 7002, "segment_item_id": STEELWORK + 5_000_000_000}, {"segment_id": 7003, "segment_item_id": 31}]
    api("PATCH", codes, json={"bulk": [{"segment_items": parts}]})
    assert events(api, receiver) == []
    change = api.send(
        "POST", f"/projects/{P1}/commitment_change_orders", {"change_order": {"contract_id": DRAFT, "title": "x"}}, 201
    )
    assert [(name, type_) for name, type_, _ in events(api, receiver)] == [
        ("Change Order Packages", "create"),
        ("Potential Change Orders", "create"),
    ], change


def test_the_lock_of_a_budget_fires_nothing(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url, *EVERYTHING)
    by_hand.send("POST", f"/projects/{P1}/budget/lock", None, 201)
    assert events(by_hand, receiver) == []


def test_a_hook_of_a_project_hears_of_that_project_alone(by_hand: Caller, receiver: Receiver, world: World) -> None:
    world.store.load("cost_codes", [row(CAST + 1000, project_id=P2, code="09", name="Paint", position=9)])
    hook(by_hand, receiver.url, "Cost Codes: update", base=V2_P1)
    for project, code in ((P2, CAST + 1000), (P1, CAST)):
        by_hand.send("PATCH", f"/cost_codes/{code}", {"project_id": project, "cost_code": {"code": "77", "name": "Other"}})
    assert events(by_hand, receiver) == [("Cost Codes", "update", CAST)]


@pytest.mark.parametrize(("action", "count"), [("drop_before", 0), ("drop_after", 1), ("status_after", 1)])
def test_a_call_without_an_answer_fires_what_it_wrote(by_hand: Caller, receiver: Receiver, action: str, count: int) -> None:
    hook(by_hand, receiver.url, "Company Vendors: create")
    fault(by_hand, action, method="POST", path="/vendors$", times=1)
    try:
        by_hand("POST", "/vendors", json={**IN_COMPANY, "vendor": {"name": "New"}})
    except requests.ConnectionError:
        assert action.startswith("drop")
    assert len(events(by_hand, receiver)) == count


def test_a_late_effect_fires_when_it_comes(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url, "Company Vendors: create")
    fault(by_hand, "status_late", method="POST", path="/vendors$", times=1, seconds=30)
    by_hand.send("POST", "/vendors", {**IN_COMPANY, "vendor": {"name": "New"}}, 503)
    assert events(by_hand, receiver) == []
    by_hand.control("POST", "/clock", {"advance": 31})
    assert len(events(by_hand, receiver)) == 1


def test_a_refused_write_fires_nothing(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url)
    by_hand.send("PATCH", f"/vendors/{STEEL}", {**IN_COMPANY, "vendor": {"name": "x", "colour": "red"}}, 400)
    assert events(by_hand, receiver) == []


def test_a_hook_that_is_switched_off(by_hand: Caller, receiver: Receiver) -> None:
    id = hook(by_hand, receiver.url)
    by_hand.control("POST", f"/webhooks/hooks/{id}", {"status": "disabled"})
    assert by_hand.get(f"{V2}/hooks/{id}")["data"]["status"] == "disabled"
    rename(by_hand, "Unheard of")
    by_hand.control("POST", f"/webhooks/hooks/{id}", {"status": "active"})
    rename(by_hand, "Heard of")
    assert len(events(by_hand, receiver)) == 1
    by_hand.control("POST", f"/webhooks/hooks/{id}", {"status": "asleep"}, 422)
    by_hand.control("POST", "/webhooks/hooks/1", {"status": "active"}, 422)
    by_hand.control("POST", "/webhooks/worker", {"running": 1}, 422)


def test_without_hooks_there_is_no_work(tmp_path: Path) -> None:
    with serving(tmp_path) as (api, world):
        api.send("POST", "/vendors", VENDOR, 201)
        api.control("POST", "/clock", {"advance": 86_400})
        assert world.worker._thread is None and world.deliveries.next_due() is None
        assert world.store.count("webhook_deliveries") == 0


# -- delivery by the clock -----------------------------------------------------------------------------------------------------


def attempts(delivery: dict[str, Any]) -> list[Any]:
    return [instant(attempt["started_at"]) for attempt in delivery["delivery_attempts"]]


def test_the_pauses_grow_to_an_hour() -> None:
    assert [pause(n).total_seconds() for n in (1, 2, 3, 12, 13, 14, 1000)] == [1, 2, 4, 2048, 3600, 3600, 3600]


def test_a_failure_pauses_the_endpoint_and_a_success_resets_it(by_hand: Caller, receiver: Receiver) -> None:
    id = hook(by_hand, receiver.url)
    other = hook(by_hand, receiver.url.replace("events", "others"))
    receiver.statuses = [500, 302, 404]
    rename(by_hand, "One")
    rename(by_hand, "Two")
    deliver(by_hand)
    assert [row["status"] for row in listed(by_hand, other)] == ["delivered"] * 2, "another address is not paused"
    assert deliver(by_hand, 1000) > 0
    first, second = listed(by_hand, id)
    assert [one["status"] for one in (first, second)] == ["delivered", "delivered"]
    times = attempts(first)
    assert [after - times[0] for after in times] == [timedelta(seconds=n) for n in (0, 1, 3, 7)]
    assert [attempt["response_status"] for attempt in first["delivery_attempts"]] == [500, 302, 404, 200]
    assert first["delivery_attempts"][0]["response_body"] == "seen"
    assert attempts(second) == times[-1:], "in order of arrival, as soon as the endpoint is there again"
    assert by_hand.control("GET", "/webhooks")["failing"] == []


def test_hooks_of_one_address_share_its_pauses(by_hand: Caller, receiver: Receiver) -> None:
    first, second = hook(by_hand, receiver.url), hook(by_hand, receiver.url, version="v4.0")
    receiver.statuses = [503]
    rename(by_hand, "One")
    rename(by_hand, "Two")
    assert deliver(by_hand) == 1
    assert [[row["status"] for row in listed(by_hand, id)] for id in (first, second)] == [
        ["retrying", "enqueued"],
        ["enqueued"] * 2,
    ]
    receiver.payloads()
    deliver(by_hand, 60)
    assert ["ulid" in payload for payload in receiver.payloads()] == [True, False, True, False], "in order of arrival"


def failing(api: Caller, receiver: Receiver) -> int:
    receiver.statuses = [500] * 1000
    id = hook(api, receiver.url)
    rename(api, "One")
    deliver(api)
    return id


def test_nothing_goes_out_before_its_time(by_hand: Caller, receiver: Receiver, world: World) -> None:
    id = failing(by_hand, receiver)
    rename(by_hand, "Two")
    deliver(by_hand, 200)
    (state,) = by_hand.control("GET", "/webhooks")["failing"]
    due = by_hand.control("GET", "/webhooks")["next_due"]
    assert state["failures"] == 8 and due == state["next_at"], "0, 1, 3, 7, 15, 31, 63, 127 and then 255 s"
    assert deliver(by_hand) == 0
    assert [row["status"] for row in listed(by_hand, id)] == ["retrying", "enqueued"]
    assert [row["status"] for row in listed(by_hand, id, "&filter[status]=enqueued")] == ["enqueued"]
    receiver.statuses = []
    deliver(by_hand, 60)
    assert [row["status"] for row in listed(by_hand, id, "&filter[status]=succeeded")] == ["delivered"] * 2
    assert world.deliveries.next_due() is None


def test_after_twelve_hours_the_queue_is_flushed(by_hand: Caller, receiver: Receiver) -> None:
    api = by_hand
    id = failing(api, receiver)
    rename(api, "Two")
    deliver(api, 12 * 3600 - 60)
    assert [row["status"] for row in listed(api, id)] == ["retrying", "enqueued"]
    deliver(api, 61)
    first, second = listed(api, id)
    assert [first["status"], second["status"]] == ["discarded"] * 2 and second["delivery_attempts"] == []
    times = attempts(first)
    assert len(times) == 23 and times[-1] - times[0] < timedelta(hours=12)
    assert times[-1] - times[-2] == timedelta(hours=1)
    receiver.statuses = []
    receiver.payloads()
    rename(api, "Three")
    assert deliver(api, 7200) == 1, "the next event begins anew, at once"
    assert [row["status"] for row in listed(api, id)] == ["discarded", "discarded", "delivered"]
    assert len(receiver.payloads()) == 1
    assert [row["status"] for row in listed(api, id, "&filter[status]=discarded")] == ["discarded"] * 2


def test_what_came_after_the_twelve_hours_is_not_flushed(by_hand: Caller, receiver: Receiver) -> None:
    """Even when nobody has looked meanwhile: the endpoint begins anew with it."""
    id = failing(by_hand, receiver)
    receiver.statuses = [500] * 22
    by_hand.control("POST", "/clock", {"advance": 13 * 3600})
    by_hand.login()
    rename(by_hand, "Late")
    assert deliver(by_hand) == 23
    assert [row["status"] for row in listed(by_hand, id)] == ["discarded", "delivered"]


def test_moving_the_clock_wakes_the_worker(api: Caller, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that would wait for a day, whatever the clock says."""
    looked: Queue[int] = Queue()
    monkeypatch.setattr(world.deliveries, "deliver_due", lambda: looked.put(1))
    monkeypatch.setattr(world.deliveries, "next_due", lambda: world.clock.now() + timedelta(days=1))
    world.worker.wake()
    looked.get(timeout=SOON)
    api.control("POST", "/clock", {"advance": 1})
    looked.get(timeout=SOON)


def test_the_worker_makes_up_for_the_time_that_was_skipped(api: Caller, receiver: Receiver) -> None:
    receiver.statuses = [500] * 12
    hook(api, receiver.url)
    rename(api, "One")
    receiver.got.get(timeout=SOON)
    api.control("POST", "/clock", {"advance": 3600})
    assert [receiver.got.get(timeout=SOON)[1]["resource_id"] for _ in range(11)] == [STEEL] * 11


@pytest.mark.parametrize(
    ("url", "error"), [("http://127.0.0.1:9/", "ConnectionRefused"), ("https://127.0.0.1:9/", "ConnectionRefused")]
)
def test_an_endpoint_that_is_not_there(by_hand: Caller, url: str, error: str) -> None:
    id = hook(by_hand, url)
    rename(by_hand, "One")
    assert deliver(by_hand) >= 1
    (found,) = listed(by_hand, id)
    attempt = found["delivery_attempts"][0]
    assert found["status"] == "retrying" and attempt["response_status"] is None and error in attempt["response_error"]


def test_an_answer_that_takes_too_long() -> None:
    """A listener that takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = post(f"http://127.0.0.1:{silent.getsockname()[1]}/", None, b"{}", 0.1)
    assert not answer.good and answer.status is None and "timed out" in (answer.error or "").lower()


@pytest.mark.parametrize(
    ("status", "good"), [(200, True), (204, True), (299, True), (199, False), (300, False), (500, False), (None, False)]
)
def test_only_2xx_is_a_success(status: int | None, good: bool) -> None:
    assert Answer(status).good is good


def test_deliveries_of_v1(by_hand: Caller, receiver: Receiver) -> None:
    api = by_hand
    id = hook(api, receiver.url, version="v2.0")
    path = f"{V1}/{id}/deliveries?company_id={COMPANY}"
    fault(api, "event_drop", times=1)
    rename(api, "Dropped")
    receiver.statuses = [500]
    rename(api, "Retried")
    deliver(api)
    deliver(api, 10)
    rename(api, "Ok")
    deliver(api)
    receiver.statuses = [500] * 50
    rename(api, "Failed")
    deliver(api)
    rename(api, "Waits")
    rows = api.get(path)
    assert [found["outcome"] for found in rows] == ["discarded", "retried", "ok", "failed"]
    assert [found["event_id"] for found in rows] == [found["event"]["id"] for found in rows]
    assert (rows[1]["response_status"], rows[0]["response_status"], rows[3]["response_status"]) == (200, None, 500)
    for name in ("filters", "filter"):
        shown = {
            word: [r["outcome"] for r in api.get(f"{path}&{name}[status]={word}")]
            for word in ("successful", "failing", "discarded")
        }
        assert shown == {"successful": ["retried", "ok"], "failing": ["failed"], "discarded": ["discarded"]}
    assert api.get(f"{path}&page_size=2&page_start={rows[0]['event_id']}") == rows[1:3]
    api.get(f"{path}&filter[status]=lost", 400)


def test_deliveries_of_v2_by_resource_type_and_day(by_hand: Caller, receiver: Receiver) -> None:
    api = by_hand
    id = hook(api, receiver.url, "Company Vendors: update", "Cost Codes: update", "Cost Codes: create")
    rename(api, "One")
    deliver(api, 86_400)
    api.send("PATCH", f"/cost_codes/{CAST}", {**IN_PROJECT, "cost_code": {"code": "3000", "name": "Cast"}})
    found = {query: len(listed(api, id, f"&{query}")) for query in (
        "filter[resource_name]=Cost Codes", "filter[event_type]=update", "filter[event_type]=create", "filter[start]=2026-10-01",
        "filter[end]=2026-09-30", "filter[start]=2026-09-30&filter[end]=2026-10-01", "filter[status]=failed",
    )}  # fmt: skip
    assert list(found.values()) == [1, 2, 0, 1, 1, 2, 0]
    api.get(f"{V2}/hooks/{id}/deliveries?filter[start]=yesterday", 400)
    api.get(f"{V2}/hooks/{id}/deliveries?filter[event_type]=rename", 400)
    assert len(api.get(f"{V2}/hooks/{id}/deliveries?per_page=1&page=2")["data"]) == 1


def test_what_waits_for_a_hook_ends_with_it(by_hand: Caller, receiver: Receiver, world: World) -> None:
    id = hook(by_hand, receiver.url)
    rename(by_hand, "One")
    assert by_hand("DELETE", f"{V2}/hooks/{id}").status_code == 204
    assert deliver(by_hand) == 0 and world.store.count("webhook_deliveries") == 0 == world.store.count("webhook_triggers")


def test_what_is_reset_while_it_is_sent_is_not_written_again(by_hand: Caller, world: World) -> None:
    hook(by_hand, "http://127.0.0.1:9/")
    rename(by_hand, "One")
    send = world.deliveries.send

    def meanwhile(*_: Any) -> Answer:
        world.store.clear()
        return Answer(200)

    world.deliveries.send = meanwhile
    try:
        assert world.deliveries.deliver_due() == 1
    finally:
        world.deliveries.send = send
    assert world.store.count("webhook_deliveries") == 0 == world.store.count("webhook_endpoints")


# -- faults --------------------------------------------------------------------------------------------------------------------


def ids(receiver: Receiver) -> list[int]:
    return [payload["id"] for payload in receiver.payloads()]


def test_duplicates(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url)
    fault(by_hand, "event_duplicate", times=1, count=2)
    rename(by_hand, "One")
    rename(by_hand, "Two")
    deliver(by_hand)
    one, again, third, two = ids(receiver)
    assert one == again == third != two and fired(by_hand) == {"event_duplicate": 1}


def test_reordered(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url)
    fault(by_hand, "event_reorder", times=1)
    for name in ("One", "Two", "Three"):
        rename(by_hand, name)
    deliver(by_hand)
    two, one, three = ids(receiver)
    assert one < two < three and fired(by_hand) == {"event_reorder": 1}


def test_reordered_with_none_behind_it(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url)
    fault(by_hand, "event_reorder", seconds=30)
    rename(by_hand, "One")
    assert deliver(by_hand) == 0
    assert deliver(by_hand, 31) == 1


def test_delayed(by_hand: Caller, receiver: Receiver) -> None:
    id = hook(by_hand, receiver.url)
    fault(by_hand, "event_delay", times=1, seconds=600)
    rename(by_hand, "One")
    rename(by_hand, "Two")
    assert deliver(by_hand, 500) == 1
    assert [row["status"] for row in listed(by_hand, id)] == ["enqueued", "delivered"]
    assert by_hand.control("GET", "/webhooks")["deliveries"] == {"waiting": 0, "held": 1, "delivered": 1, "discarded": 0}
    assert deliver(by_hand, 101) == 1
    two, one = ids(receiver)
    assert one < two and fired(by_hand) == {"event_delay": 1}


def test_dropped(by_hand: Caller, receiver: Receiver) -> None:
    id = hook(by_hand, receiver.url)
    fault(by_hand, "event_drop", times=1)
    rename(by_hand, "One")
    rename(by_hand, "Two")
    assert deliver(by_hand, 86_400) == 1
    assert [row["status"] for row in listed(by_hand, id)] == ["discarded", "delivered"] and fired(by_hand) == {"event_drop": 1}


def test_null_metadata_and_unknown_keys(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url)
    hook(by_hand, receiver.url, version="v4.0")
    fault(by_hand, "event_null_metadata", times=1)
    fault(by_hand, "event_unknown_keys", after=1)
    rename(by_hand, "One")
    rename(by_hand, "Two")
    deliver(by_hand)
    one, one_v4, two, two_v4 = receiver.payloads()
    assert set(one["metadata"].values()) == {None} and one["user_id"] == OURS and "metadata" not in one_v4
    assert two["metadata"]["sandbox_extra"] == 1 and "sandbox_extra" in two and set(two_v4) >= {"sandbox_extra", "resource_type"}
    assert fired(by_hand) == {"event_null_metadata": 1, "event_unknown_keys": 1}


def test_two_events_with_one_timestamp(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url)
    fault(by_hand, "event_same_timestamp")
    rename(by_hand, "One")
    assert fired(by_hand) == {"event_same_timestamp": 0}, "there is none before the first"
    rename(by_hand, "Two")
    deliver(by_hand)
    one, two = receiver.payloads()
    assert one["timestamp"] == two["timestamp"] and one["id"] != two["id"] and fired(by_hand) == {"event_same_timestamp": 1}


def test_an_event_before_its_record_can_be_read(by_hand: Caller, receiver: Receiver, world: World) -> None:
    hook(by_hand, receiver.url, "Company Vendors: create")
    fault(by_hand, "event_unreadable", resource_name="Vendors$", event_type="create", seconds=30)
    id = by_hand.send("POST", "/vendors", {**IN_COMPANY, "vendor": {"name": "New"}}, 201)["id"]
    assert deliver(by_hand) == 1 and receiver.payloads()[0]["resource_id"] == id
    path, everything = f"/vendors/{id}?company_id={COMPANY}", f"/vendors?company_id={COMPANY}"
    by_hand.get(path, 404)
    assert id not in [vendor["id"] for vendor in by_hand.get(everything)]
    assert by_hand.as_user("GET", path).status_code == 200, "who made it sees it"
    by_hand.send("PATCH", f"/vendors/{id}", {**IN_COMPANY, "vendor": {"name": "New", "city": "Dayton"}})
    by_hand.control("POST", "/clock", {"advance": 31})
    assert by_hand.get(path)["city"] == "Dayton" and id in [vendor["id"] for vendor in by_hand.get(everything)]
    assert fired(by_hand) == {"event_unreadable": 1}


def test_a_flood_after_a_sync(by_hand: Caller, receiver: Receiver) -> None:
    id = hook(by_hand, receiver.url)
    fault(by_hand, "event_flood", method="patch", path="/vendors/sync$", times=1, count=300)
    rename(by_hand, "No sync")
    by_hand.sync("/vendors/sync", [{"id": STEEL, "city": "A"}, {"id": CONCRETE, "city": "B"}], **IN_COMPANY)
    assert deliver(by_hand) == 303
    found = ids(receiver)
    assert len(set(found)) == 303 and found == sorted(found) and fired(by_hand) == {"event_flood": 1}
    assert by_hand("GET", f"{V2}/hooks/{id}/deliveries").headers["Total"] == "303"


def test_every_fault_of_events_can_fire_with_the_others(by_hand: Caller, receiver: Receiver) -> None:
    hook(by_hand, receiver.url)
    rename(by_hand, "Zero")
    for action in EVENT_ACTIONS:
        fault(by_hand, action, seconds=5, count=1)
    rename(by_hand, "One")
    assert fired(by_hand) == dict.fromkeys(EVENT_ACTIONS, 1)
    deliver(by_hand, 10)


@pytest.mark.parametrize("rule", [
    {"action": "event_lost"}, {"action": "event_drop", "status": 5}, {"action": "event_delay", "seconds": -1},
    {"action": "event_flood", "count": 0}, {"action": "event_drop", "resource_name": "("}, {"action": "latency", "count": 3},
])  # fmt: skip
def test_a_rule_that_cannot_be_understood(api: Caller, rule: dict[str, Any]) -> None:
    api.control("POST", "/faults", rule, 422)


def test_rules_for_events_leave_calls_alone(by_hand: Caller) -> None:
    fault(by_hand, "event_drop")
    fault(by_hand, "status", status=500, path="/me$")
    by_hand.get("/me", 500)
    assert fired(by_hand) == {"event_drop": 0, "status": 1}


# -- restart ---------------------------------------------------------------------------------------------------------------------


@contextmanager
def reopened(state: Path) -> Iterator[World]:
    world = World(state)
    try:
        yield world
    finally:
        world.close()


def test_a_restart_keeps_the_queue(tmp_path: Path, receiver: Receiver) -> None:
    """Hooks, triggers, what waits, what is held and the pauses of an endpoint are in the state files."""
    with serving(tmp_path) as (api, world):
        world.store.load("vendors", [row(STEEL, name="Iron", is_active=True)])
        api.control("POST", "/webhooks/worker", {"running": False})
        id = hook(api, receiver.url)
        receiver.statuses = [500]
        rename(api, "One")
        deliver(api)
        rename(api, "Two")
        fault(api, "event_delay", seconds=3600)
        rename(api, "Three")
        before = listed(api, id)
    receiver.payloads()
    with reopened(tmp_path) as world:
        first = receiver.got.get(timeout=SOON)[1]
        second = receiver.got.get(timeout=SOON)[1]
        assert [first["id"], second["id"]] == [int(found["id"]) for found in before[:2]]
        with pytest.raises(Empty):
            receiver.got.get_nowait()
        world.clock.advance(3600)
        assert receiver.got.get(timeout=SOON)[1]["id"] == int(before[2]["id"])
        world.deliveries.idle()
        assert world.deliveries.listed()["deliveries"] == {"waiting": 0, "held": 0, "delivered": 3, "discarded": 0}


def test_a_reset_forgets_hooks_and_queue(api: Caller, world: World, receiver: Receiver) -> None:
    api.control("POST", "/webhooks/worker", {"running": False})
    hook(api, receiver.url)
    rename(api, "One")
    info = api.control("POST", "/reset", {"size": "tiny", "history": "none"})
    assert info["now"].startswith("2026-09-30") and world.worker.running
    assert api.control("GET", "/webhooks")["deliveries"] == {"waiting": 0, "held": 0, "delivered": 0, "discarded": 0}
    assert requests.get(f"{api.base}/_sandbox/webhooks", timeout=SOON).json()["worker"] is True
