"""Settings: read once, checked whole, wrong keys named."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError
from include.financials.settings import DEFAULT, from_file, load, parse
from sandbox.pipeline import SETTINGS


@pytest.mark.parametrize(
    ("written", "read"),
    [("on", "on"), ("off", "off"), ("'on'", "on"), ("yes", "on"), ("no", "off"), ("false", "off"), ("true", "on")],
)
def test_on_and_off_are_what_a_person_means(written: str, read: str) -> None:
    assert parse(f"entities: {{vendors: {{writes: {written}}}}}", "x").of("vendors").writes == read


def test_writes_are_off_unless_somebody_says_on() -> None:
    settings = parse("entities: {vendors: {}}", "x")
    assert settings.of("vendors").writes == "off" == settings.of("projects").writes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("entities: {vendors: {wirtes: on}}", "entities.vendors.wirtes"),
        ("entities: {}\noverlap_minuets: 5", "overlap_minuets"),
        ("entities: {}\ngate: {max_failed: 0.2}", "gate.max_failed"),
        ("entities: {vendors: {writes: maybe}}", "entities.vendors.writes"),
        ("entities: {vendors: {writes: [on]}}", "entities.vendors.writes"),
        ("entities: {vendors: {writes: on}, vendors: {}}", 'line 1: duplicate key "vendors"'),
        ("entities: {change_events: {writes: on}}", "change_events are only read"),
        ("entities: {vendor: {}}", "unknown entity 'vendor'"),
        ("entities: {}\ncost_type_codes: {'1': L, '2': L}", "one to one"),
        ("entities: {}\ndocuments_from: 2026-07-01T00:00:00", "zone"),
        ("entities: {}\ngate: {max_failed_records: 1.5}", "gate.max_failed_records"),
        ("entities: {}\ngate: {max_failed_amount: -0.1}", "gate.max_failed_amount"),
        ("entities: {}\noverlap_minutes: -1", "overlap_minutes"),
        ("entities: {}\nworkflow: {answers: maybe}", "workflow.answers"),
        ("entities: {}\nworkflow: {answers: on}", "workflow: Value error, answers is on, and steps names no step"),
        ("entities: {}\nworkflow: {steps: {Posting: {returns: No}}}", "workflow.steps.Posting.accepts"),
        (
            "entities: {}\nworkflow: {steps: {Posting: {accepts: Yes please, returns: Yes please}}}",
            "one response cannot say both",
        ),
        ("posting_policy: hold", "entities"),
        ("entities: [", "not valid YAML"),
        ("", "settings"),
    ],
)
def test_a_mistake_is_refused_and_named(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text, "the-file.yaml")
    assert message in str(caught.value) and str(caught.value).startswith("the-file.yaml")


def test_several_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse("entities: {}\na_typo: 1\nanother: 2", "x")
    assert "a_typo" in str(caught.value) and "another" in str(caught.value)


def test_amounts_and_times_are_exact() -> None:
    settings = parse(
        "entities: {}\napprove_above: '250000.10'\ndocuments_from: 2026-07-01T02:00:00+02:00\ngate: {max_failed_records: 0.1}",
        "x",
    )
    assert settings.approve_above == Decimal("250000.10")
    assert settings.documents_from == datetime(2026, 7, 1, tzinfo=UTC)
    assert settings.gate.max_failed_records == Decimal("0.1")


def test_the_hash_follows_the_contents() -> None:
    one, same, other = (parse(f"entities: {{}}\noverlap_minutes: {n}", "x") for n in ("5", "5", "6"))
    assert one.hash == same.hash != other.hash


def test_the_shipped_file_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROCORE_ERP_SETTINGS", raising=False)
    settings = load()
    assert settings.of("commitments").eligible["subcontract"] == ("Approved", "Complete")
    assert settings.documents_from is None and settings.approve_above is None


def test_the_shipped_file_writes_nothing() -> None:
    """Whoever unpauses the DAG before having set anything changes nothing on either side."""
    shipped = from_file(DEFAULT)
    assert set(shipped.entities) == set(ENTITIES)
    assert {chosen.writes for chosen in shipped.entities.values()} == {"off"}
    assert shipped.scheduled_mode == "plan"


def test_what_nobody_has_set_is_a_plan() -> None:
    """A Variable replaces the file as a whole: one that switches an entity on has not said that the schedule may write."""
    settings = parse("entities: {vendors: {writes: on}, projects: {}}", "Variable")
    assert (settings.scheduled_mode, settings.of("projects").writes, settings.of("customers").writes) == ("plan", "off", "off")


@pytest.mark.parametrize("text", ["", "  ", "# commitments: off"])
def test_a_variable_that_is_empty_is_not_taken_for_none(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set from a file that was not there, to stop writes: the file with the writes on does not take its place."""
    path = tmp_path / "on.yaml"
    path.write_text("entities: {commitments: {writes: on}}")
    monkeypatch.setenv("PROCORE_ERP_SETTINGS", str(path))
    assert load().of("commitments").writes == "on"
    with pytest.raises(ConfigurationError, match="Variable procore_erp_sync_settings"):
        load(text)


def test_the_sandboxs_settings_are_the_shipped_ones_switched_on() -> None:
    shipped, sandbox = (from_file(path).model_dump(mode="json") for path in (DEFAULT, SETTINGS))
    on = {name for name, chosen in sandbox["entities"].items() if chosen.pop("writes") == "on"}
    assert on == {name for name, row in ENTITIES.items() if not row.read_only}
    for chosen in shipped["entities"].values():
        del chosen["writes"]
    assert sandbox == {**shipped, "scheduled_mode": "apply"}


def test_another_file_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    monkeypatch.setenv("PROCORE_ERP_SETTINGS", str(path))
    with pytest.raises(ConfigurationError, match=r"mine\.yaml cannot be read"):
        load()
    path.write_text("entities: {}\noverlap_minutes: 3", encoding="utf-8")
    assert load().overlap_minutes == 3


@pytest.mark.parametrize(
    "variable",
    ['{"entities": {}, "overlap_minutes": 7}', {"entities": {}, "overlap_minutes": 7}, "entities: {}\noverlap_minutes: 7"],
)
def test_the_variable_goes_before_the_file(variable: object) -> None:
    assert load(variable).overlap_minutes == 7  # type: ignore[arg-type]


def test_a_wrong_variable_names_the_variable() -> None:
    with pytest.raises(ConfigurationError, match=r"Variable procore_erp_sync_settings: .*typo"):
        load({"entities": {}, "typo": 1})


def test_an_amount_is_taken_to_the_digit() -> None:
    """As a binary float it would have become another one."""
    assert parse("entities: {}\napprove_above: 9007199254740993.07", "x").approve_above == Decimal("9007199254740993.07")
