"""``python -m include.financials``: what is wrong is a sentence and exit code 2, never a traceback."""

from __future__ import annotations

import getpass
import shlex
from pathlib import Path

import pytest

from include.financials.__main__ import main


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("var/demo/ledger.sqlite", "it looks like postgresql"),
        ("mysql://me:hunter-22@db/ledger", "it looks like postgresql"),
        ("sqlite:////nowhere/ledger.sqlite", "There is no ledger at"),
    ],
)
def test_a_ledger_that_is_none(capsys: pytest.CaptureFixture[str], address: str, said: str) -> None:
    assert main(["--ledger", address, "why", "commitment", "104-SC-003"]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == "" and "hunter" not in told.err


def test_a_decision_of_nobody_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A container may run under a number that has no name; who decided is part of the audit."""
    address = f"sqlite:///{tmp_path}/ledger.sqlite"
    assert main(["--ledger", address, "ledger", "create"]) == 0

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert main(["--ledger", address, "why", "vendor", "V-1"]) == 0
    assert main(["--ledger", address, "decide", "unlink", "vendor", "V-1"]) == 2
    assert "set LOGNAME to your name" in capsys.readouterr().err


def test_the_command_that_makes_a_ledger_is_copied_as_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "the owner's ledger"
    place.mkdir()
    assert main(["--ledger", f"sqlite:///{place}/ledger.sqlite", "why", "vendor", "V-1"]) == 2
    _, _, said = capsys.readouterr().err.partition("python -m include.financials ")
    assert main(shlex.split(said)) == 0
    assert main(["--ledger", f"sqlite:///{place}/ledger.sqlite", "why", "vendor", "V-1"]) == 0
