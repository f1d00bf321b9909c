"""A real Tryton for tests. Where its packages cannot be fetched the tests are left out, and say so."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sandbox.tryton import books, template


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
