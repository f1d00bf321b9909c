"""The rate limit, the faults, the request log, people's calls, and the process itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.faults import EFFECTS
from sandbox.limits import Limiter
from sandbox.procore.settings import Settings
from sandbox.world import World
from tests.unit.sandbox.procore.serving import COMPANY, DRAFT, HIDDEN, P1, STEEL, Caller, hand_made

V = f"/vendors?company_id={COMPANY}"

# -- rate limit --------------------------------------------------------------------------------------------------------


def test_windows_of_the_limiter() -> None:
    limiter = Limiter(hour=5, spike=3)
    taken = [limiter.take(tick) for tick in (0.0, 1.0, 2.0, 3.0)]
    assert [verdict.passed for verdict in taken] == [True, True, True, False]
    assert [verdict.remaining for verdict in taken] == [2, 1, 0, 0] and taken[3].wait == pytest.approx(7.0)
    assert limiter.take(10.0).passed, "the spike window rolls: the first call has left it"
    fifth = limiter.take(13.0)
    assert (fifth.passed, fifth.limit, fifth.remaining) == (True, 5, 0), "the hour is the tighter window now"
    refused = limiter.take(30.0)
    assert not refused.passed and refused.wait == pytest.approx(3570.0)
    assert limiter.take(3600.0).passed


def test_headers_and_429(api: Caller, world: World) -> None:
    api.settings(rate_limit_hour=600, rate_limit_spike=5)
    hand_made(world)
    left = [api("GET", V).headers["X-Rate-Limit-Remaining"] for _ in range(5)]
    assert left == ["4", "3", "2", "1", "0"]
    reply = api("GET", V)
    assert reply.status_code == 429 and reply.headers["X-Rate-Limit-Limit"] == "5"
    wait = int(reply.headers["Retry-After"])
    assert 1 <= wait <= 10
    now = world.clock.now().timestamp()
    assert abs(int(reply.headers["X-Rate-Limit-Reset"]) - (now + wait)) < 5
    api.control("POST", "/clock", {"advance": wait + 1})
    assert api("GET", V).status_code == 200


def test_hourly_limit_shows_when_it_is_used_up(api: Caller) -> None:
    api.settings(rate_limit_hour=3, rate_limit_spike=100)
    replies = [api("GET", "/me") for _ in range(4)]
    assert [reply.headers["X-Rate-Limit-Limit"] for reply in replies] == ["100", "100", "3", "3"]
    assert replies[3].status_code == 429
    assert int(replies[3].headers["Retry-After"]) > 3000
    assert api.as_user("GET", V).status_code == 200, "people are not limited"


def test_failed_requests_count_too(api: Caller, world: World) -> None:
    """400, 401, 403, 404, and one that the sandbox was asked to fail: each takes one from the budget."""
    api.settings(rate_limit_spike=8)
    api.control("POST", "/faults", {"path": "/me", "action": "status", "status": 500})
    token = {"Authorization": api.session.headers["Authorization"]}
    replies = [
        api("GET", V, headers={"Authorization": "Bearer wrong"}),
        api("GET", V, headers={**token, "Procore-Company-Id": "1"}),
        api("GET", "/vendors"),
        api("GET", "/nowhere"),
        api("GET", "/me"),
        api("GET", V),
    ]
    assert [reply.status_code for reply in replies] == [401, 403, 400, 404, 500, 200]
    assert [reply.headers["X-Rate-Limit-Remaining"] for reply in replies] == ["7", "6", "5", "4", "3", "2"]


@pytest.mark.parametrize("status", [400, 403, 404])
def test_without_the_company_header(api: Caller, world: World, status: int) -> None:
    world.procore.configure(Settings(company_header_status=status))
    reply = requests.get(f"{api.base}/rest/v1.0{V}", headers={"Authorization": api.session.headers["Authorization"]}, timeout=30)
    assert reply.status_code == status and reply.json()["message"].startswith("Missing Procore-Company-Id header!")


# -- faults ------------------------------------------------------------------------------------------------------------


def log(api: Caller) -> list[dict[str, Any]]:
    return [row for row in api.control("GET", "/requests") if not row["path"].startswith("/oauth")]


def test_status_fault_after_and_times(api: Caller) -> None:
    rule = {
        "method": "get",
        "path": "/vendors$",
        "after": 1,
        "times": 2,
        "action": "status",
        "status": 503,
        "headers": {"Retry-After": "7"},
    }
    api.control("POST", "/faults", [rule])
    replies = [api("GET", V) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 503, 503, 200]
    assert replies[1].headers["Retry-After"] == "7" and "X-Rate-Limit-Limit" in replies[1].headers
    assert [(row["status"], row["fault"]) for row in log(api)] == [(200, None), (503, "status"), (503, "status"), (200, None)]


def test_status_fault_has_no_effect_on_the_data(api: Caller) -> None:
    api.control("POST", "/faults", {"action": "status", "status": 500, "method": "POST"})
    api.send("POST", "/vendors", {"company_id": COMPANY, "vendor": {"name": "Never"}}, 500)
    assert [vendor["name"] for vendor in api.get(V)] == ["Iron & Söhne", "Concrete Works"]


@pytest.mark.parametrize(("action", "made", "status"), [("drop_before", 0, None), ("drop_after", 1, 201)])
def test_dropped_connections(api: Caller, action: str, made: int, status: int | None) -> None:
    api.control("POST", "/faults", [{"path": "/vendors", "method": "POST", "times": 1, "action": action}])
    body = {"company_id": COMPANY, "vendor": {"name": "Dropped", "origin_id": "dropped"}}
    with pytest.raises(requests.ConnectionError):
        api("POST", "/vendors", json=body)
    assert len(api.get(f"{V}&filters[origin_id]=dropped")) == made
    row = log(api)[0]
    assert (row["fault"], row["status"], row["write"]) == (action, status, True)
    assert api("POST", "/vendors", json={**body, "vendor": {"name": "Next"}}).status_code == 201


def test_a_dropped_sync_of_a_thousand_is_committed(api: Caller) -> None:
    api.control("POST", "/faults", [{"path": "sync$", "times": 1, "action": "drop_after"}])
    updates = [{"name": f"V {n}", "origin_id": f"o{n}"} for n in range(1000)]
    with pytest.raises(requests.ConnectionError):
        api.sync("/vendors/sync", updates, company_id=COMPANY)
    assert api("GET", V).headers["Total"] == "1002"


def test_latency_adds_to_another_fault(api: Caller) -> None:
    api.control("POST", "/faults", [{"action": "latency", "seconds": 0.01}, {"action": "status", "status": 502}])
    api.get(V, 502)
    assert log(api)[0]["fault"] == "latency+status"
    assert [rule["fired"] for rule in api.control("GET", "/faults")] == [1, 1]
    api.control("DELETE", "/faults")
    api.get(V)


@pytest.mark.parametrize(
    "rule",
    [{"action": "explode"}, {"action": "status", "path": "("}, {"action": "status", "often": 1}, 5,
     {"action": "status", "status": 999}, {"action": "status", "status": True}, {"action": "latency", "seconds": -1},
     {"action": "latency", "seconds": "nan"}],
)  # fmt: skip
def test_unusable_faults_are_refused(api: Caller, rule: Any) -> None:
    assert "error" in api.control("POST", "/faults", [rule], 422)
    assert api.control("GET", "/faults") == []


def test_faults_can_hit_the_login(api: Caller) -> None:
    api.control("POST", "/faults", [{"path": "^/oauth/token$", "action": "status", "status": 503}])
    assert requests.post(f"{api.base}/oauth/token", json={}, timeout=30).status_code == 503


NEW = {"company_id": COMPANY, "vendor": {"name": "New", "origin_id": "new"}}


def there(api: Caller) -> int:
    """How many there are of NEW, as a caller of the API sees it."""
    return len(api.get(f"{V}&filters[origin_id]=new"))


def answered(api: Caller) -> int | str:
    """What a caller makes of the answer to NEW: its status, or how it is broken."""
    try:
        reply = api("POST", "/vendors", json=NEW)
    except requests.exceptions.ChunkedEncodingError:
        return "truncated"
    except requests.ConnectionError:
        return "drop"
    try:
        reply.json()
    except ValueError:
        return "garbage"
    return reply.status_code


@pytest.mark.parametrize("action", [action for action in EFFECTS if action != "status"])
def test_answer_and_effect_of_a_fault(api: Caller, action: str) -> None:
    """Each answer with no effect, with the effect before it, and with the effect after the look-up that follows it."""
    answer, when = EFFECTS[action]
    api.control("POST", "/faults", {"method": "POST", "path": "/vendors$", "times": 1, "action": action, "requests": 1})
    assert answered(api) == (503 if answer == "status" else answer)
    assert (there(api), there(api)) == {"before": (0, 0), "after": (1, 1), "late": (0, 1)}[when]
    rows = log(api)
    assert [row["fault"] for row in rows if row["write"]] == [action]
    assert [(row["method"], row["status"], row["write"]) for row in rows if row["by"] == "late"] == (
        [("POST", 201, False)] if when == "late" else []
    )


@pytest.mark.parametrize(("seconds", "later", "found"), [(30, 29, 0), (30, 31, 1)])
def test_an_effect_that_is_late_by_the_clock(api: Caller, seconds: int, later: int, found: int) -> None:
    api.control("POST", "/faults", {"method": "POST", "times": 1, "action": "status_late", "status": 504, "seconds": seconds})
    assert answered(api) == 504 and there(api) == 0
    api.control("POST", "/clock", {"advance": later})
    assert there(api) == found and len(api.control("GET", "/late")) == 1 - found
    api.control("DELETE", "/late")
    api.control("POST", "/clock", {"advance": 3600})
    assert there(api) == found, "what was forgotten never comes"


def test_the_effect_before_a_503_with_retry_after(api: Caller) -> None:
    headers = {"Retry-After": "7"}
    api.control("POST", "/faults", {"method": "POST", "times": 1, "action": "status_after", "headers": headers})
    reply = api("POST", "/vendors", json=NEW)
    assert (reply.status_code, reply.headers["Retry-After"], there(api)) == (503, "7", 1)
    assert api("POST", "/vendors", json={**NEW, "vendor": {"name": "Next"}}).status_code == 201


def test_a_nonsensical_answer(api: Caller) -> None:
    api.control("POST", "/faults", {"method": "POST", "times": 1, "action": "status_after", "status": 200, "body": {"id": 1}})
    assert (api("POST", "/vendors", json=NEW).json(), there(api)) == ({"id": 1}, 1)


# -- request log and people's calls ------------------------------------------------------------------------------------


def test_rows_of_the_request_log(api: Caller) -> None:
    api.get(f"{V}&per_page=1")
    api.send("PATCH", f"/vendors/{STEEL}", {"company_id": COMPANY, "vendor": {"name": "Iron", "city": "Dayton"}})
    api.get("/nowhere", 404)
    rows = log(api)
    assert [(row["method"], row["path"], row["query"], row["status"], row["write"]) for row in rows] == [
        ("GET", "/rest/v1.0/vendors", f"company_id={COMPANY}&per_page=1", 200, False),
        ("PATCH", f"/rest/v1.0/vendors/{STEEL}", "", 200, True),
        ("GET", "/rest/v1.0/nowhere", "", 404, False),
    ]
    assert all(set(row) == {"n", "at", "method", "path", "query", "status", "write", "fault", "by"} for row in rows)
    assert api.control("GET", f"/requests?since={rows[1]['n']}") == rows[2:]
    api.control("DELETE", "/requests")
    api.get(V)
    (row,) = log(api)
    assert row["n"] == rows[2]["n"] + 1


@pytest.mark.parametrize("prefix", ["/rest/v1.0", "", "rest/v1.0"])
def test_a_person_writes_without_token_and_sees_every_project(api: Caller, prefix: str) -> None:
    body = {"project_id": P1, "work_order_contract": {"status": "Approved"}}
    reply = api.as_user("PATCH", f"{prefix}/work_order_contracts/{DRAFT}?project_id={P1}", body)
    assert reply.status_code == 200 and reply.json()["status"] == "Approved"
    (row,) = log(api)
    assert (row["path"], row["query"], row["write"], row["fault"], row["by"]) == (
        f"/rest/v1.0/work_order_contracts/{DRAFT}", f"project_id={P1}", False, None, "user",
    )  # fmt: skip
    assert api.as_user("GET", f"{prefix}/projects/{HIDDEN}?company_id={COMPANY}").status_code == 200


def test_unusable_calls_of_a_person(api: Caller) -> None:
    assert api.as_user("GET", "/nowhere").status_code == 404
    api.control("POST", "/as_user", {"method": "GET"}, 422)
    api.control("POST", "/as_user", ["x"], 422)
    assert requests.post(f"{api.base}/_sandbox/as_user", data=b"{", timeout=30).status_code == 400


def test_concurrent_writers(api: Caller) -> None:
    def write(n: int) -> int:
        reply = requests.post(
            f"{api.base}/_sandbox/as_user",
            json={"method": "POST", "path": "/vendors", "json": {"company_id": COMPANY, "vendor": {"name": f"V {n}"}}},
            timeout=60,
        )
        return int(reply.json()["id"])

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(write, range(40)))
    assert len(set(ids)) == 40 and api("GET", V).headers["Total"] == "42"


# -- reset, clock, information -----------------------------------------------------------------------------------------


def test_info_and_clock(api: Caller) -> None:
    info = api.control("GET", "/info")
    ours = {"base_url", "login_url", "company_id", "client_id", "client_secret", "erp_url", "seed", "size", "until", "now"}
    assert set(info) == ours and info["until"] is None
    assert info["base_url"] == api.base and info["company_id"] == COMPANY and info["now"].startswith("2026-09-30T18:")
    assert api.control("POST", "/clock", {"advance": 3600.5})["now"].startswith("2026-09-30T19:")
    for wrong in ({"advance": -1}, {"advance": "1"}, {}, {"advance": 1e12}, {"advance": 1e308}, {"advance": 10**400}):
        api.control("POST", "/clock", wrong, 422)
    assert api.control("GET", "/info")["now"].startswith("2026-09-30T19:")


def test_reset_is_all_or_nothing(api: Caller) -> None:
    refused: list[dict[str, Any]] = [
        {"seed": "no"},
        {"size": "huge"},
        {"size": 5},
        {"history": "no"},
        {"until": "2126-01-01"},
        {"until": "yesterday"},
        {"settings": {"colour": 1}},
        {"settings": []},
        {"sed": "x"},
    ]
    for wrong in refused:
        api.control("POST", "/reset", wrong, 422)
    assert len(api.get(V)) == 2, "a refused reset changes nothing"
    info = api.control("POST", "/reset", {"size": "tiny"})
    assert info["size"] == "tiny" and info["now"] == "2026-09-30T18:00:00Z"
    numbers = []
    for project in api.get(f"/projects?company_id={COMPANY}"):
        numbers += [row["number"] for row in api.get(f"/work_order_contracts?project_id={project['id']}")]
    assert "104-SC-003" in numbers and api.control("GET", "/requests")[0]["n"] > 1


@pytest.mark.parametrize(
    "settings", [{"sov_lock": "sometimes"}, {"rate_limit_hour": 0}, {"rate_limit_hour": "600"}, {"shuffle_sync": 1}]
)
def test_settings_are_checked(api: Caller, settings: dict[str, Any]) -> None:
    api.control("POST", "/reset", {"settings": settings}, 422)


def test_a_reset_mends_what_a_test_set(api: Caller, world: World) -> None:
    api.settings(sov_lock="off")
    api.control("POST", "/faults", [{"action": "drop_before"}])
    api.control("POST", "/reset")
    assert api.control("GET", "/faults") == [] and world.procore.settings.sov_lock == "approved_complete"
    assert api.control("GET", "/info")["size"] == "small" and len(api.control("GET", "/planted")) >= 10


def test_the_clerk_works_in_the_erp(api: Caller) -> None:
    api.control("POST", "/reset", {"size": "tiny"})
    done = api.control("POST", "/clerk", {"action": "new_vendor", "vendor": "V-9999", "name": "Fresh Vendor"})
    assert done["ok"] is True
    assert "error" in api.control("POST", "/clerk", {"action": "dance"}, 422)
    api.control("POST", "/clerk", {"action": "advance", "seconds": 86_400})
    assert api.control("GET", "/info")["now"].startswith("2026-10-01")


def test_both_systems_keep_the_same_time(api: Caller, world: World) -> None:
    api.control("POST", "/clock", {"advance": 12_345})
    with world.erp.connect() as connection:
        offset = connection.exec_driver_sql("SELECT offset_us FROM sandbox_clock").scalar_one()
    assert offset == world.clock.offset_us == world.store.offset()


# -- the process -------------------------------------------------------------------------------------------------------


def start(state: Path, *options: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--state", str(state), "--size", "tiny", *options]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    return process.returncode


def test_process_starts_keeps_and_stops(tmp_path: Path) -> None:
    process, info = start(tmp_path)
    try:
        caller = Caller(info["base_url"])
        assert caller.control("GET", "/info")["seed"] == "planted"
        body = {"company_id": COMPANY, "vendor": {"name": "Kept"}}
        assert caller.as_user("POST", "/vendors", body).status_code == 201
        caller.control("POST", "/clock", {"advance": 86_400})
    finally:
        assert stop(process) == 0
    process, info = start(tmp_path, "--keep")
    try:
        assert info["now"].startswith("2026-10-01T18:")
        names = [vendor["name"] for vendor in Caller(info["base_url"]).get(V)]
        assert "Kept" in names
    finally:
        assert stop(process) == 0
    process, info = start(tmp_path)
    try:
        assert info["now"].startswith("2026-09-30T18:")
        assert "Kept" not in [vendor["name"] for vendor in Caller(info["base_url"]).get(V)]
    finally:
        assert stop(process) == 0
