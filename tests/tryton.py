"""A real Tryton for tests, and who works with it. Where its packages cannot be fetched the tests are left out, and say so."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from include.erp.registry import erp_system
from include.erp.system import MappedSystem
from sandbox.tryton import books, template
from sandbox.tryton.server import Running, tryton

SPACE = "procore:8089"


def ready() -> Path:
    """A database with the golden job's books, made once. Skips where the package registry cannot be reached."""
    try:
        return books.books()
    except SystemExit:
        if _registry_answers():
            raise AssertionError("Tryton's environment could not be made, though the package registry can be reached") from None
        pytest.skip("the package registry cannot be reached, and Tryton's environment is not there yet")


def _registry_answers() -> bool:
    """Whether the installer gets one small package of the lock."""
    name = next(line for line in (template.HERE / "requirements.lock").read_text().splitlines() if line.startswith("tzdata"))
    uv = template.setup().find_uv()
    with tempfile.TemporaryDirectory() as folder:
        pip = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
        command = [*pip, "--quiet", "--no-deps", "--no-cache-dir", "--target", folder, name]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with tryton(tmp_path_factory.mktemp("tryton") / "server", ready()) as server:
        yield server


@pytest.fixture(scope="module")
def procedures(running: Running) -> Iterator[MappedSystem]:
    """The integration's way in, by remote procedures."""
    with closing(erp_system(running.address(), "tryton", origin_system=SPACE)) as system:
        yield system


@pytest.fixture(scope="module")
def clerk(running: Running) -> Iterator[books.Clerk]:
    with closing(books.Clerk(running)) as found:
        yield found
