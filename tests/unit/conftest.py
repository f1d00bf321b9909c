from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.unit.procore.conftest import Sandbox

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One sandbox process for all tests that only talk to it."""
    state = tmp_path_factory.mktemp("sandbox")
    with (state / "stderr.txt").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", "0", "--state", str(state)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            line = process.stdout.readline() if process.stdout else ""
            assert line, f"the sandbox did not start: {(state / 'stderr.txt').read_text()[-2000:]}"
            yield Sandbox(json.loads(line))
        finally:
            process.terminate()
            process.communicate(timeout=20)


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox as seeded, without limits, with an empty request log."""
    running_sandbox.reset()
    running_sandbox.forget()
    yield running_sandbox
    requests.delete(f"{running_sandbox.url}/_sandbox/faults", timeout=10)
