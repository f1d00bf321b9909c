"""The frame around the code: the lock, the provider entry point, the local start's objects, the commands, the set-up script."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = ("demo", "test", "sandbox", "up", "bench", "lint", "clean", "help")


def _lines(name: str) -> list[str]:
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [line for line in lines if line]


def _setup_env() -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup_env_under_test", ROOT / "scripts" / "setup_env.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _environment(root: Path) -> Any:
    """That of a checkout in ``root``."""
    (root / "requirements.lock").write_text("one==1\n")
    (root / "pyproject.toml").write_text("")
    return _setup_env().Environment(root / ".venv", root / "requirements.lock", root)


def test_the_lock_pins_exactly_one_version_of_everything_and_names_no_host() -> None:
    locked = [Requirement(line) for line in _lines("requirements.lock")]
    assert all(re.fullmatch(r"==[^*,]+", str(requirement.specifier)) for requirement in locked)
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "--" not in text


def test_the_lock_covers_every_requirement() -> None:
    locked = {
        canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in map(Requirement, _lines("requirements.lock"))
    }
    wanted = [
        Requirement(line) for name in ("requirements.txt", "requirements-dev.txt") for line in _lines(name) if line[0] != "-"
    ]
    for requirement in wanted:
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement


def test_airflow_is_named_so_that_the_astro_image_accepts_it() -> None:
    airflow = [line for line in _lines("requirements.txt") if Requirement(line).name == "apache-airflow"]
    assert [Requirement(line).specifier for line in airflow] == [Requirement("x>=3.3,<3.4").specifier]
    # what the image's build looks for and refuses
    assert not any(re.fullmatch(r"apache-airflow\s*[=~>]{1,2}.*", line) for line in airflow)


def test_the_provider_entry_point_is_registered_and_valid() -> None:
    import airflow
    from jsonschema import validate

    (entry,) = [e for e in entry_points(group="apache_airflow_provider") if e.value.startswith("include.")]
    info = entry.load()()
    assert entry.dist is not None
    assert canonicalize_name(entry.dist.name) == info["package-name"]
    schema = Path(airflow.__file__).with_name("provider_info.schema.json")
    validate(info, json.loads(schema.read_text()))


def test_the_connection_type_names_a_hook_of_that_type() -> None:
    from include.provider.get_provider_info import get_provider_info
    from include.provider.hooks.erp import ErpHook
    from include.provider.hooks.ledger import LedgerHook
    from include.provider.hooks.procore import ProcoreHook

    types = {row["connection-type"]: row for row in get_provider_info()["connection-types"]}
    assert set(types) == {hook.conn_type for hook in (ProcoreHook, ErpHook, LedgerHook)}
    for hook in (ProcoreHook, ErpHook, LedgerHook):
        assert types[hook.conn_type]["hook-class-name"] == f"{hook.__module__}.{hook.__qualname__}"
    assert set(types["procore"]["conn-fields"]) == {"company_id", "login_url"}


def test_the_local_start_points_at_the_sandbox_and_at_nothing_else() -> None:
    objects = yaml.safe_load((ROOT / "airflow_settings.yaml").read_text())["airflow"]
    connections = {row["conn_id"]: row for row in objects["connections"]}
    assert set(connections) == {"procore_default", "erp_default", "sync_ledger"}
    procore = connections["procore_default"]
    assert procore["conn_host"] == procore["conn_extra"]["login_url"] == "http://127.0.0.1:8765"
    assert (procore["conn_login"], procore["conn_password"]) == ("sandbox-client", "sandbox-secret")
    assert not any(row["conn_password"] for name, row in connections.items() if name != "procore_default")


@pytest.mark.parametrize("command", COMMANDS)
def test_make_knows_the_command(command: str) -> None:
    done = subprocess.run(["make", "-n", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" not in done.stdout


def test_an_environment_is_complete_only_with_the_stamp_of_the_present_lock(tmp_path: Path) -> None:
    setup = _environment(tmp_path)
    assert not setup.complete()

    setup.python.parent.mkdir(parents=True)
    setup.python.symlink_to(sys.executable)
    setup.stamp.write_text(setup.fingerprint())
    assert setup.complete()

    (tmp_path / "requirements.lock").write_text("one==2\n")
    assert not setup.complete()
    assert setup.reusable()  # brought up to date in place


def test_an_interrupted_environment_is_built_anew(tmp_path: Path) -> None:
    setup = _environment(tmp_path)
    setup.python.parent.mkdir(parents=True)
    setup.python.symlink_to(sys.executable)
    setup.stamp.write_text(setup.fingerprint())
    setup.incomplete.touch()
    assert not setup.complete()
    assert not setup.reusable()


def test_an_environment_whose_interpreter_is_gone_is_built_anew(tmp_path: Path) -> None:
    setup = _environment(tmp_path)
    setup.python.parent.mkdir(parents=True)
    setup.python.symlink_to(tmp_path / "uninstalled")
    assert not setup.reusable()


def test_a_version_managers_empty_shim_counts_as_no_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "uv"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("INSTALLER", raising=False)
    assert _setup_env().find_uv() is None


def test_the_image_has_no_sandbox() -> None:
    """Its credentials are published, and nothing in production needs it: the product does not know it."""
    ignored = [line for line in _lines(".dockerignore") if not line.startswith("#")]
    assert {"sandbox", "tests", "var"} <= set(ignored) and not [line for line in ignored if line.startswith("!")]
    for folder in ("include", "dags", "plugins"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not re.search(r"^\s*(?:from|import) sandbox\b", path.read_text(encoding="utf-8"), re.M), path
