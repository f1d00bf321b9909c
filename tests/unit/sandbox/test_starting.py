"""What the variables of make and the options of the sandbox may be: a wrong one is a sentence, never a traceback."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox.__main__ import main
from sandbox.demo import Options
from sandbox.local import LocalError

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "value"), [("SHARDS", "0"), ("SHARDS", "x"), ("SHARDS", "65"), ("SHARDS", "1.5"), ("MODE", "dry")]
)
def test_a_variable_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(LocalError, match=f"{name} is '{value}'; it is "):
        Options.of({name: value})


def test_variables_of_a_demo() -> None:
    assert Options.of({}).shards == Options.of({"SHARDS": ""}).shards == 2 and Options.of({"SHARDS": "3"}).shards == 3


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--port", "70000"], 1, "Port 70000 cannot be used"),
        (["--port", "0", "--state", "/dev/null/there"], 2, "/dev/null"),
        (["--port", "0", "--size", "vast"], 2, "choose one of tiny"),
    ],
)
def test_a_sandbox_that_cannot_start_says_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], code: int, said: str
) -> None:
    given = options if "--state" in options else [*options, "--state", str(tmp_path)]
    assert main(given) == code and said in capsys.readouterr().err


def test_an_erp_that_there_is_no_demo_of_is_named() -> None:
    ended = subprocess.run(["make", "-n", "demo", "ERP=sap"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and "ERP is sap; it is tryton, odoo or batches" in ended.stderr
