"""Lists that the days of a backfill share: only while none of our own calls may have changed them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from fsspec.implementations.local import LocalFileSystem
from upath import UPath

from include.financials.ledger import Call, Ledger
from include.financials.reading.kept import KeptLists, kept_lists
from tests.unit.financials.pair import make_settings
from tests.unit.financials.test_run import start

ROWS = [{"id": 1, "amount": Decimal("10.00"), "rate": Decimal("0.10"), "lines": [{"amount": Decimal("-0.005")}]}, "odd", None]
QUARTER = timedelta(minutes=15)


@pytest.fixture
def kept(ledger: Ledger, tmp_path: Path) -> KeptLists:
    """One list of project 7 and one of the company."""
    found = KeptLists(UPath(f"file://{tmp_path}/lists"), ledger, QUARTER)
    for address, project in (("of 7", "7"), ("of the company", None)):
        keep(found, address, project)
    return found


def keep(kept: KeptLists, address: str, project: str | None, read_at: datetime | None = None) -> None:
    read_at = read_at or datetime.now(UTC)
    kept.put(address, read_at, kept.standing(project, read_at), ROWS)


def served(kept: KeptLists) -> list[str]:
    return [address for address, project in (("of 7", "7"), ("of the company", None)) if kept.get(address, project) is not None]


def call(ledger: Ledger, scope: str, status: Literal["sent", "done", "unknown"] = "done", system: str = "procore") -> None:
    """A write as the engine journals it."""
    told = Call(f"{scope} {status} {system}", "r", system, "commitments", "link", scope, 0, 1)
    with ledger.leases.hold("commitments", 0, "r") as lease:
        ledger.journal.sending(lease, told, [])
        if status != "sent":
            ledger.journal.settled(lease, told._replace(status=status), [], run_id="r", entity="commitments")


def test_it_comes_back_digit_for_digit(kept: KeptLists) -> None:
    rows = kept.get("of 7", "7")
    assert rows == ROWS and [str(rows[0][name]) for name in ("amount", "rate")] == ["10.00", "0.10"]
    assert kept.get("of 8", "8") is None


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        ("", []),  # of the company
        ("standard", []),
        ("7", ["of the company"]),
        ("7/12", ["of the company"]),
        ("77", ["of 7", "of the company"]),
        ("8/7", ["of 7", "of the company"]),
    ],
)
def test_a_call_of_ours_ends_what_it_may_have_changed(kept: KeptLists, scope: str, left: list[str]) -> None:
    call(kept.ledger, scope)
    assert served(kept) == left


def test_the_erps_calls_change_nothing_in_procore(kept: KeptLists) -> None:
    call(kept.ledger, "", system="erp")
    assert served(kept) == ["of 7", "of the company"]


@pytest.mark.parametrize("status", ["sent", "unknown"])
def test_nothing_is_kept_while_the_outcome_of_a_call_is_open(kept: KeptLists, status: Any) -> None:
    """It may arrive after the list was read."""
    call(kept.ledger, "7", status)
    keep(kept, "of 7", "7")
    assert served(kept) == ["of the company"]


def test_a_call_between_the_look_and_the_end_of_the_list_counts(kept: KeptLists) -> None:
    read_at = datetime.now(UTC)
    standing = kept.standing("7", read_at)
    call(kept.ledger, "7")
    kept.put("of 7", read_at, standing, ROWS)
    assert served(kept) == ["of the company"]


def test_it_grows_old_and_can_be_forgotten(kept: KeptLists, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(kept, "of 7", "7", datetime.now(UTC) - QUARTER - timedelta(seconds=1))
    assert served(kept) == ["of the company"]
    kept.forget()
    assert served(kept) == []


def test_only_the_days_of_a_backfill_share(ledger: Ledger, tmp_path: Path) -> None:
    folder, settings = UPath(tmp_path), make_settings()
    assert kept_lists(start(ledger, "backfill", "b"), ledger, settings, folder) is not None
    assert kept_lists(start(ledger, "scheduled", "s"), ledger, settings, folder) is None
    none = settings.model_copy(update={"backfill_lists_minutes": 0})
    assert kept_lists(start(ledger, "backfill", "b"), ledger, none, folder) is None


@pytest.mark.parametrize("what", ["removed", "read"])
def test_a_run_beside_this_one_forgets_at_the_same_moment(kept: KeptLists, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """What was there when the folder was looked at is gone when its turn comes."""
    gone: list[Path] = []

    def late(plain: Any) -> Any:
        def act(system: Any, *path: str, **options: Any) -> Any:
            gone.append(Path(path[0] if path else system.path))
            gone[-1].unlink()
            return plain(system, *path, **options)

        return act

    if what == "removed":
        monkeypatch.setattr(LocalFileSystem, "rm", late(LocalFileSystem.rm))
        kept.forget()
    else:
        monkeypatch.setattr(type(kept.folder), "read_text", late(type(kept.folder).read_text))
        assert kept.get("of 7", "7") is None
    assert len(gone) == {"removed": 2, "read": 1}[what] and not any(path.exists() for path in gone)
