"""What ``make accept-odoo`` cannot have is named, with the other way to give it. That it can be had is shown by the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.local import LocalError
from sandbox.odoo import install, server


@pytest.fixture(autouse=True)
def _nothing_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install, "HOME", tmp_path)
    monkeypatch.setattr(install, "PYTHONS", ("python3.9-that-is-not-there",))
    monkeypatch.setattr("glob.glob", lambda _: [])
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("ODOO_DEB", "DEBIAN_MIRROR", "PYTHON39"):
        monkeypatch.delenv(name, raising=False)


def test_without_apt_the_package_can_be_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"apt-get is not on PATH.*ODOO_DEB"):
        install.package()
    monkeypatch.setenv("ODOO_DEB", str(tmp_path / "odoo.deb"))
    with pytest.raises(LocalError, match=r"odoo\.deb is no file"):
        install.package()
    (tmp_path / "odoo.deb").touch()
    assert install.package() == tmp_path / "odoo.deb"


def test_without_python_and_uv_both_are_named() -> None:
    with pytest.raises(LocalError, match=r"install uv, or set PYTHON39="):
        install.environment()


def test_without_postgresql_it_is_named() -> None:
    with pytest.raises(LocalError, match="install postgresql"):
        server._programs()


def test_a_step_that_fails_says_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"install\.log\n.*no such host"):
        install.run(["/bin/sh", "-c", "echo no such host; exit 100"])
    assert "no such host" in (tmp_path / "install.log").read_text()
