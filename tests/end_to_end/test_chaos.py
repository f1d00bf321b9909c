"""A fixed sample of the sweep, and the sweep's own proof: bugs that are planted are found."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.end_to_end.chaos_sample import SAMPLE, SCHEDULES
from tests.end_to_end.world import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PLANTED = [name for name in (*SAMPLE, *SCHEDULES) if name.startswith("planted")]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """In a process of its own: the cases fork, which a process of tests with its threads must not."""
    command = [sys.executable, "-m", "tests.end_to_end.chaos_sample", str(tmp_path_factory.mktemp("chaos"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", [name for name in SAMPLE if name not in PLANTED])
def test_a_write_goes_wrong_and_both_sides_end_as_without_it(results: dict[str, dict[str, Any]], name: str) -> None:
    assert sum(results[name]["faults"].values()) == 1 and results[name]["violations"] == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(results: dict[str, dict[str, Any]], name: str) -> None:
    """The fault is one that the code as it is stands (above): what is found is the bug's."""
    assert sum(results[name]["faults"].values()) >= 1 and any(
        "there, but not without" in line for line in results[name]["violations"]
    )
