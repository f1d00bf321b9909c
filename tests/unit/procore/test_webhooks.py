"""The hook in Procore: made once, kept as the settings want it, its token changed without a gap, its losses found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.financials.exceptions import ConfigurationError, NotPermitted, Refused
from include.procore import areas, events
from include.procore.__main__ import main
from include.procore.client import ProcoreClient
from include.procore.system import ProcoreSystem
from include.procore.webhooks import NAMESPACE, Receiver, Webhooks, sweep
from include.provider.events import RECEIVER, swept, without_events
from sandbox.chaos.receiving import OLD, Site, receiving
from sandbox.pipeline import SETTINGS
from sandbox.procore.settings import Settings
from tests.end_to_end.world import UNLIMITED, settings_with
from tests.unit.sandbox.procore.serving import P1, SUBCONTRACT, Caller, hand_made, serving

NEW = "token-of-the-tests-2nd"
HOOKS = "/rest/v2.0/companies/8089/webhooks/hooks"
ON = settings_with()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with serving(tmp_path_factory.mktemp("sandbox")) as (caller, world):
        world.procore.configure(Settings(**UNLIMITED))
        hand_made(world)
        caller.control("POST", "/webhooks/worker", {"running": False})
        yield caller


@pytest.fixture
def site(tmp_path: Path, api: Caller) -> Iterator[Site]:
    with receiving(tmp_path) as found:
        yield found
    api.control("DELETE", "/faults")
    for hook in api.get(HOOKS)["data"]:
        api("DELETE", f"{HOOKS}/{hook['id']}")


@pytest.fixture
def client(api: Caller) -> Iterator[ProcoreClient]:
    found = ProcoreClient(api.base, None, 8089, "sandbox-client", "sandbox-secret")
    yield found
    found.close()


@pytest.fixture
def webhooks(client: ProcoreClient, site: Site) -> Webhooks:
    return Webhooks(client, Receiver(site.address, (OLD,)))


def rename(api: Caller, title: str) -> None:
    body = {"project_id": P1, "work_order_contract": {"title": title}}
    path = f"/work_order_contracts/{api.get(f'/work_order_contracts?project_id={P1}')[0]['id']}"
    assert api.as_user("PATCH", path, body).status_code == 200


def deliver(api: Caller) -> int:
    return int(api.control("POST", "/webhooks/deliver")["attempts"])


def test_one_hook_is_made_with_a_trigger_for_each_change_and_a_second_time_there_is_nothing_to_do(
    api: Caller, webhooks: Webhooks
) -> None:
    plan = webhooks.plan(ON)
    assert plan.hook is None and plan.lines()[0] == f"+ hook {NAMESPACE} to {webhooks.receiver.address}"
    assert api.get(HOOKS)["data"] == [], "a plan changes nothing"
    webhooks.apply(plan)
    (hook,) = api.get(HOOKS + "?include_trigger_count=true")["data"]
    offered = {(name, action) for name in events.RESOURCES for action in ("create", "update", "delete")}
    assert hook["trigger_count"] == len(offered) == len(plan.add) and set(plan.add) == offered
    assert (hook["payload_version"], hook["destination_url"]) == ("v3.0", webhooks.receiver.address)
    written = webhooks.client.writes
    again = webhooks.plan(ON)
    assert again.nothing and again.lines() == ["nothing to do"]
    webhooks.apply(again)
    assert webhooks.client.writes == written


def test_what_the_settings_do_not_write_is_not_subscribed_to(webhooks: Webhooks) -> None:
    webhooks.apply(webhooks.plan(ON))
    few = settings_with(**{name: {"writes": "off"} for name in events.BORN if name != "commitments"})
    plan = webhooks.plan(few)
    assert {name for name, _ in plan.remove} == {
        name for name, entities in events.RESOURCES.items() if "commitments" not in entities
    }
    webhooks.apply(plan)
    assert webhooks.plan(few).nothing
    assert webhooks.missing(few) == []
    (missing,) = webhooks.missing(ON)
    assert missing.startswith("no event comes of Budget Line Items,") and missing.endswith("webhooks apply")


def test_where_nothing_is_written_no_hook_is_made(api: Caller, webhooks: Webhooks) -> None:
    off = settings_with(**{name: {"writes": "off"} for name in events.BORN})
    webhooks.apply(webhooks.plan(off))
    assert webhooks.plan(off).lines() == ["nothing to do"] and webhooks.missing(off) == []
    assert api.get(HOOKS)["data"] == []


def test_a_twin_and_a_hook_that_is_switched_off_are_for_a_person_to_mend(api: Caller, webhooks: Webhooks) -> None:
    webhooks.apply(webhooks.plan(ON))
    (hook,) = api.get(HOOKS)["data"]
    body = {"namespace": NAMESPACE, "destination_url": webhooks.receiver.address, "payload_version": "v3.0"}
    twin = api.send("POST", HOOKS, body, 201)["data"]["id"]
    api.control("POST", f"/webhooks/hooks/{hook['id']}", {"status": "disabled"})
    remarks = webhooks.missing(ON)
    assert re.match(f"Hook {hook['id']} is disabled", remarks[0]) and re.match(f"Hooks {twin} are twins", remarks[1])
    assert webhooks.status()[0] is False and webhooks.status()[1][-2:] == remarks
    written = webhooks.client.writes
    webhooks.apply(webhooks.plan(ON))
    assert webhooks.client.writes == written


def test_a_name_that_procore_does_not_know_fails_with_its_list(
    api: Caller, webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(events.RESOURCES, "Contracts of Work", ("commitments",))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"no webhook of Contracts of Work; it has: Budget Changes, .*Sub Jobs"):
        webhooks.plan(ON)
    assert api.get(HOOKS)["data"] == []


def test_other_hooks_are_left_alone(api: Caller, webhooks: Webhooks) -> None:
    """Of another name space, or of another installation of this program: its address is another one."""
    for namespace, address in (("drawings", webhooks.receiver.address), (NAMESPACE, "https://other.example/procore/webhooks")):
        body = {"namespace": namespace, "destination_url": address, "payload_version": "v2.0"}
        api.send("POST", HOOKS, body, 201)
    before = api.get(HOOKS)["data"]
    webhooks.apply(webhooks.plan(ON))
    assert api.get(HOOKS)["data"][:2] == before and len(api.get(HOOKS)["data"]) == 3


def test_a_hook_whose_making_was_not_answered_is_found_and_not_made_twice(api: Caller, webhooks: Webhooks) -> None:
    api.control("POST", "/faults", {"method": "POST", "path": "/hooks$", "times": 1, "action": "drop_after"})
    with pytest.raises(Exception, match="may have been applied"):
        webhooks.apply(webhooks.plan(ON))
    webhooks.apply(webhooks.plan(ON))
    assert len(api.get(HOOKS)["data"]) == 1 and webhooks.plan(ON).nothing


def test_triggers_that_procore_refuses_are_named(webhooks: Webhooks) -> None:
    plan = webhooks.plan(ON)
    with pytest.raises(Refused, match="did not take Sub Jobs burn"):
        webhooks.apply(replace(plan, add=(("Sub Jobs", "burn"), *plan.add)))
    assert webhooks.plan(ON).nothing, "the others are there"


def test_without_the_permission_procore_says_so(api: Caller, webhooks: Webhooks) -> None:
    api.control("POST", "/faults", {"path": "/webhooks/", "times": 1, "action": "status", "status": 403})
    with pytest.raises(NotPermitted):
        webhooks.plan(ON)


def test_a_token_is_replaced_without_a_gap(api: Caller, site: Site, webhooks: Webhooks) -> None:
    """At no moment does Procore send what the receiver refuses."""
    webhooks.apply(webhooks.plan(ON))
    with pytest.raises(ConfigurationError, match="has one token"):
        webhooks.rotate()
    both = Webhooks(webhooks.client, Receiver(site.address, (OLD, NEW)))
    with pytest.raises(ConfigurationError, match=r"does not take the token\. Nothing was changed"):
        both.rotate()  # the receiver has not looked at its connection yet
    rename(api, "Before")
    site.tokens = (OLD, NEW)
    rename(api, "Meanwhile")
    assert both.plan(ON).nothing, "either token is ours meanwhile"
    assert "Take the old one" in both.rotate()
    written = webhooks.client.writes
    assert "Take the old one" in both.rotate() and webhooks.client.writes == written
    site.tokens = (NEW,)
    rename(api, "After")
    deliver(api)
    rows = api.get(f"{HOOKS}/{api.get(HOOKS)['data'][0]['id']}/deliveries")["data"]
    assert {(row["status"], len(row["delivery_attempts"])) for row in rows} == {("delivered", 1)} and len(rows) == 3
    assert Webhooks(webhooks.client, Receiver(site.address, (NEW,))).plan(ON).nothing
    assert webhooks.plan(ON).token, "the old token is nobody's now"


def test_the_question_whether_a_token_is_taken_is_asked_with_it(
    site: Site, webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not with the password that somebody keeps in .netrc for that host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password of-the-host\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert webhooks.probe(OLD) is None


def test_a_token_that_got_lost_is_set_again(webhooks: Webhooks, site: Site) -> None:
    webhooks.apply(webhooks.plan(ON))
    other = Webhooks(webhooks.client, Receiver(site.address, (NEW,)))
    assert other.missing(ON) == ["the hook has a token that the receiver does not take: python -m include.procore webhooks apply"]
    other.apply(other.plan(ON))
    assert other.plan(ON).nothing


def test_status_shows_what_could_not_be_delivered(api: Caller, site: Site, webhooks: Webhooks) -> None:
    assert webhooks.status() == (False, [f"no hook to {site.address}: python -m include.procore webhooks apply"])
    webhooks.apply(webhooks.plan(ON))
    good, lines = webhooks.status()
    assert good and lines[2] == "deliveries of the last 7 days: 0 failing, 0 discarded"
    site.tokens = None
    rename(api, "While it was not set up")
    rename(api, "And again")
    deliver(api)
    good, lines = webhooks.status()
    assert not good and "is not set up" in lines[1] and lines[2].endswith("2 failing, 0 discarded")
    assert lines[3].startswith("  retrying: Work Order Contracts ") and lines[3].endswith("(last answer: 503, 1 attempts)")
    assert lines[4].startswith("  enqueued: Work Order Contracts ")
    assert OLD not in "\n".join(lines)


def test_what_procore_could_not_deliver_is_kept_in_the_inbox_once(api: Caller, site: Site, webhooks: Webhooks) -> None:
    assert sweep(webhooks, site.ledger.inbox) == {"failing": 0, "discarded": 0, "new": 0, "unreadable": 0}
    webhooks.apply(webhooks.plan(ON))
    site.tokens = None
    rename(api, "Given up")
    deliver(api)
    assert sweep(webhooks, site.ledger.inbox) == {"failing": 1, "discarded": 0, "new": 1, "unreadable": 0}
    api.control("POST", "/clock", {"advance": 13 * 3600})
    api.login()
    deliver(api)
    rename(api, "And one that fails")
    deliver(api)
    assert sweep(webhooks, site.ledger.inbox) == {"failing": 1, "discarded": 1, "new": 1, "unreadable": 0}
    assert sweep(webhooks, site.ledger.inbox)["new"] == 0 and site.ledger.inbox.waiting() == 2
    site.tokens = (OLD,)
    api.control("POST", "/clock", {"advance": 60})
    deliver(api)
    assert site.ledger.inbox.waiting() == 2, "delivered at last: it was here already"


def test_the_command_takes_airflows_connections(
    api: Caller, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    procore = {
        "conn_type": "procore", "host": api.base, "login": "sandbox-client", "password": "sandbox-secret",
        "extra": {"company_id": 8089},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_PROCORE_DEFAULT", json.dumps(procore))
    monkeypatch.setenv("PROCORE_ERP_SETTINGS", str(SETTINGS))
    monkeypatch.setattr("include.provider.settings.Variable.get", lambda *_, **__: None)

    def told(action: str, **connection: Any) -> tuple[int, list[str]]:
        fields = {"conn_type": "generic", "password": OLD, "host": site.address, **connection}
        monkeypatch.setenv("AIRFLOW_CONN_PROCORE_WEBHOOKS", json.dumps(fields))
        code = main(["webhooks", action])
        return code, capsys.readouterr().out.splitlines()

    code, lines = told("plan", host=None)
    assert code == 1 and lines[0].startswith("problem: Connection procore_webhooks has no host")
    assert told("plan", host="http://events.example")[1][0].startswith("problem: The host of connection procore_webhooks must")
    code, lines = told("plan")
    assert code == 0 and lines[0].startswith("+ hook")
    assert told("apply") == (0, lines) and told("apply") == (0, ["nothing to do"])
    assert told("status")[0] == 0
    site.tokens = (OLD, NEW)
    assert told("rotate", password=f"{OLD} {NEW}")[0] == 0
    code, lines = told("rotate")
    assert code == 1 and "has one token" in lines[0]
    parts = {"host": "127.0.0.1", "schema": "http", "port": 9}
    assert told("status", **parts)[1] == [f"no hook to http://127.0.0.1:9{RECEIVER}: python -m include.procore webhooks apply"]


def test_a_scheduled_run_looks_for_events_where_there_is_a_receiver(
    api: Caller, site: Site, webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, or without leave to look, polling alone is as good: a sentence, no failure."""
    system = ProcoreSystem(webhooks.client, erp_system="sandbox")
    sync: Any = SimpleNamespace(systems={"procore": system}, settings=ON)
    monkeypatch.delenv("AIRFLOW_CONN_PROCORE_WEBHOOKS", raising=False)
    assert swept(system, site.ledger) is None and "procore_webhooks is not defined" in without_events(sync)[0]
    fields = {"conn_type": "generic", "password": OLD, "host": site.address}
    monkeypatch.setenv("AIRFLOW_CONN_PROCORE_WEBHOOKS", json.dumps(fields))
    assert without_events(sync) == [f"Procore has no hook to {site.address}: python -m include.procore webhooks apply"]
    webhooks.apply(webhooks.plan(ON))
    assert without_events(sync) == []
    site.tokens = None
    rename(api, "Fails")
    deliver(api)
    assert swept(system, site.ledger) == {"failing": 1, "discarded": 0, "new": 1, "unreadable": 0}
    api.control("POST", "/faults", {"path": "/webhooks/", "times": 2, "action": "status", "status": 403})
    assert swept(system, site.ledger) is None and "403" in without_events(sync)[0]


def test_which_resources_have_events_stands_in_the_table() -> None:
    assert SUBCONTRACT and areas.ENTITIES["subcontractor_invoices"].events == areas.ENTITIES["tax_codes"].events == ()
    assert areas.ENTITIES["commitments"].events == (
        "Work Order Contracts", "Purchase Order Contracts", "Work Order Contract Line Items",
        "Purchase Order Contract Line Items",
    )  # fmt: skip
