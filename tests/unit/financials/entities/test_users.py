"""Users: what a person signs in by, and what becomes of the account of somebody who comes, changes or leaves."""

from __future__ import annotations

from typing import Any

import pytest

from include.financials.preflight import preflight
from tests.unit.financials.pair import World, user

ONLY: dict[str, Any] = {"entities": ["users"]}


def judged(world: World) -> dict[str, tuple[str, str]]:
    return world.states(world.run(params=ONLY), "users")


@pytest.mark.parametrize(
    ("email", "good"),
    [
        ("a@b", True),
        ("zoë.å@example.com", True),
        (None, False),
        ("", False),
        ("@example.com", False),
        ("a@", False),
        ("a b@example.com", False),
        ("a@b@c", False),
    ],
)
def test_without_an_e_mail_nobody_gets_an_account(world: World, email: str | None, good: bool) -> None:
    world.erp.put(user(email=email))
    assert judged(world) == {"E-1": ("created", "") if good else ("quarantined", "U-02")}
    assert len(world.procore.records["users"]) == int(good)


def test_names_and_numbers_fit_or_are_named(world: World) -> None:
    capability = world.procore.capability["users"]
    limits = {"max_lengths": {"last_name": 5, "job_title": 7}}
    world.procore.capability = {**world.procore.capability, "users": type(capability)(create=True, update=True, **limits)}
    world.erp.put(user(last_name="Quill"))
    world.erp.put(user("E-2", last_name="Quills"))
    world.erp.put(user("E-3", job_title="Foremen!"))
    assert judged(world) == {"E-1": ("created", ""), "E-2": ("quarantined", "U-01"), "E-3": ("quarantined", "U-01")}


def test_an_inactive_employee_is_not_made_a_user(world: World) -> None:
    world.erp.put(user(active=False))
    assert judged(world) == {"E-1": ("skipped", "")} and world.procore.records["users"] == []


def test_only_a_change_in_the_erp_opens_or_closes_an_account(world: World) -> None:
    world.erp.put(user())
    judged(world)
    account = world.procore.records["users"][0]
    world.procore.put(account.model_copy(update={"active": False}))
    assert judged(world) == {"E-1": ("unchanged", "")}
    world.erp.change("users", "E-1", active=False)
    assert judged(world)["E-1"][0] in ("unchanged", "updated"), "both say so by now"
    world.erp.change("users", "E-1", active=True)
    assert judged(world) == {"E-1": ("updated", "")}
    assert world.procore.records["users"][0].active is True  # type: ignore[attr-defined]


def test_somebody_who_leaves_under_another_e_mail_is_deactivated_all_the_same(world: World) -> None:
    world.erp.put(user())
    judged(world)
    world.erp.change("users", "E-1", active=False, email="other@example.com")
    assert judged(world) == {"E-1": ("updated", "")}
    account: Any = world.procore.records["users"][0]
    assert (account.active, account.email) == (False, "e-1@example.com")


def test_preflight_counts_external_ids_of_users_and_wants_no_list_of_events_from_the_erp(world: World) -> None:
    world.erp.put(user())
    sync = world.sync(params={"entities": ["users", "change_events"]})
    told = preflight(sync)
    assert told["origin_id_audit"]["users"] == {"ours": 0, "empty": 0, "foreign": 0, "examples": []}
    assert "change_events" not in " ".join(told["notes"]) and sync.run.entities == ("users", "change_events")
