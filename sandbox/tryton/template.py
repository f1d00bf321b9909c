"""Tryton's environment, and the database that every server starts from: made once, kept under ``var/tryton``, copied."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from sandbox.local import ROOT, VAR, LocalError
from sandbox.seed.erp import FIRST_OPEN
from sandbox.seed.tables import COMPANIES, COST_TYPES, UNITS

HERE = Path(__file__).resolve().parent
TRYTON = VAR / "tryton"
MODULES = (
    "ir",
    "res",
    "analytic_invoice",
    "analytic_purchase",
    "analytic_sale",
    "analytic_budget",
    "account_payment_clearing",
)
DATABASE = "erp"
COMPANY, COMPANY_NAME = COMPANIES[0]
"""The contractor's building company; a Tryton database of several companies is not what this sandbox shows."""
INTEGRATION = {"name": "Procore integration", "login": "procore", "password": "sandbox-integration-1"}
CLERK = {"name": "Accountant", "login": "clerk", "password": "sandbox-clerk-1"}
READER = {"name": "Auditor", "login": "reader", "password": "sandbox-reader-1"}
CONFIGURATION = """
[database]
uri = sqlite://
path = {folder}
[web]
listen = 127.0.0.1:{port}
[session]
timeout = {fresh}
[queue]
worker = {grace}
"""
"""``timeout``: seconds after which Tryton asks for a log-in before it posts. ``worker``: whether what Tryton puts off (what was
confirmed is under way only after a period of grace) is left to a process of its own; else it is done at once."""


def plan() -> dict[str, Any]:
    """What the consultant is told. The years reach into the next one: clearing moves are dated today."""
    return {
        "company": COMPANY_NAME,
        "years": [2025, max(2026, datetime.now(UTC).year + 1)],
        "first_open": FIRST_OPEN,
        "units": UNITS,
        "cost_types": [[str(number), name] for number, name, *_ in COST_TYPES],
        "taxes": [[code, description, str(rate.scaleb(-2))] for code, description, rate in _taxes()],
        "integration": INTEGRATION,
        "clerk": CLERK,
        "reader": READER,
    }


def _taxes() -> Iterator[tuple[str, str, Any]]:
    from sandbox.seed.company import Company

    for tax in Company().tax_codes():
        yield tax.code, tax.description, tax.rate


@cache
def setup() -> ModuleType:
    """scripts/setup_env.py, which makes the project's own environment too."""
    spec = importlib.util.spec_from_file_location("setup_env", ROOT / "scripts" / "setup_env.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@cache
def python() -> Path:
    """The interpreter of Tryton's environment, which is made or brought up to date by the first call. Ends the program with the
    installer's exit code where that fails."""
    environment = setup().Environment(TRYTON / "venv", HERE / "requirements.lock")
    environment.ensure()
    return Path(environment.python)


def template() -> Path:
    """A database with the consultant's work in it and no documents. Raises LocalError where it cannot be made."""
    interpreter = python()
    bare = cached("modules", [MODULES, HERE / "requirements.lock"], lambda folder: _activate(folder, interpreter))
    told = json.dumps(plan(), sort_keys=True)
    return cached("template", [bare.name, told, HERE / "bootstrap.py"], lambda folder: _set_up(folder, interpreter, bare, told))


def cached(name: str, made_of: Iterable[Any], make: Callable[[Path], None]) -> Path:
    """A database that ``make`` leaves in a folder; made once for what it is made of (files by their content)."""
    digest = hashlib.sha256()
    for part in made_of:
        digest.update(part.read_bytes() if isinstance(part, Path) else repr(part).encode())
    made = TRYTON / f"{name}-{digest.hexdigest()[:16]}.sqlite"
    with alone(name):
        if not made.exists():
            for old in TRYTON.glob(f"{name}-*.sqlite"):
                old.unlink()
            with tempfile.TemporaryDirectory(dir=TRYTON) as folder:
                make(Path(folder))
                copy(Path(folder) / f"{DATABASE}.sqlite", made)
    return made


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Several test processes may want it at once: one makes it."""
    with (TRYTON / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _activate(folder: Path, interpreter: Path) -> None:
    """A database with Tryton's modules in it: half a minute."""
    (folder / f"{DATABASE}.sqlite").touch()
    admin = [str(interpreter.with_name("trytond-admin")), "-c", str(configure(folder, 0)), "-d", DATABASE, "-u", *MODULES]
    _run([*admin, "--activate-dependencies", "--email", "a@example.com", "-p"], folder)


def _set_up(folder: Path, interpreter: Path, bare: Path, told: str) -> None:
    copy(bare, folder / f"{DATABASE}.sqlite")
    _run([str(interpreter), str(HERE / "bootstrap.py"), f"sqlite:///{DATABASE}", str(configure(folder, 0))], folder, told)


def _run(command: Sequence[str], folder: Path, told: str | None = None) -> None:
    secret = folder / "password"
    secret.write_text(CLERK["password"])
    log = TRYTON / "template.log"
    env = {**os.environ, "TRYTONPASSFILE": str(secret), "PYTHONPATH": ""}
    with log.open("w", encoding="utf-8") as sink:
        if subprocess.run(command, input=told, stdout=sink, stderr=sink, env=env, text=True, check=False).returncode != 0:
            raise LocalError(f"Tryton's database could not be made; see {log}")


def configure(folder: Path, port: int, fresh: int = 300, *, grace: bool = False) -> Path:
    path = folder / "trytond.conf"
    path.write_text(CONFIGURATION.format(folder=folder, port=port, fresh=fresh, grace=grace), encoding="utf-8")
    return path


def copy(source: Path, target: Path) -> None:
    """SQLite's own backup: the database is written ahead in files beside it, which a copy of the file alone would miss."""
    partial = target.with_suffix(".partial")
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(partial)) as new:
        old.backup(new)
    partial.replace(target)


def restore(folder: Path, source: Path) -> None:
    """Nothing but a copy of ``source`` in ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copy(source, folder / f"{DATABASE}.sqlite")
