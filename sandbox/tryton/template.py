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
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.local import ROOT, VAR, LocalError
from sandbox.seed.erp import FIRST_OPEN
from sandbox.seed.tables import COMPANIES, COST_TYPES, UNITS

HERE = Path(__file__).resolve().parent
TRYTON = VAR / "tryton"
MODULES = (
    "ir",
    "res",
    "purchase_amendment",
    "analytic_invoice",
    "analytic_purchase",
    "analytic_budget",
    "account_payment_clearing",
)
DATABASE = "erp"
COMPANY, COMPANY_NAME = COMPANIES[0]
"""The contractor's building company; a Tryton database of several companies is not what this sandbox shows."""
INTEGRATION = {"name": "Procore integration", "login": "procore", "password": "sandbox-integration-1"}
CLERK = {"name": "Accounts payable clerk", "login": "clerk", "password": "sandbox-clerk-1"}
CONFIGURATION = """
[database]
uri = sqlite://
path = {folder}
[web]
listen = 127.0.0.1:{port}
[session]
timeout = {fresh}
"""
"""``timeout``: seconds after which Tryton asks for a log-in before it posts."""


def plan() -> dict[str, Any]:
    """What the consultant is told. The years reach into the next one: clearing moves are dated today."""
    return {
        "company": COMPANY_NAME,
        "years": [2025, datetime.now(UTC).year + 1],
        "first_open": FIRST_OPEN,
        "units": UNITS,
        "cost_types": [[str(number), name] for number, name, *_ in COST_TYPES],
        "taxes": [[code, description, str(rate.scaleb(-2))] for code, description, rate in _taxes()],
        "integration": INTEGRATION,
        "clerk": CLERK,
    }


def _taxes() -> Iterator[tuple[str, str, Any]]:
    from sandbox.seed.company import Company

    for tax in Company().tax_codes():
        yield tax.code, tax.description, tax.rate


@cache
def python() -> Path:
    """The interpreter of Tryton's environment, which is made or brought up to date by the first call. Ends the program with the
    installer's exit code where that fails."""
    spec = importlib.util.spec_from_file_location("setup_env", ROOT / "scripts" / "setup_env.py")
    assert spec is not None and spec.loader is not None
    setup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup)
    environment = setup.Environment(TRYTON / "venv", HERE / "requirements.lock")
    environment.ensure()
    return Path(environment.python)


def template() -> Path:
    """A database with the consultant's work in it and no documents. Raises LocalError where it cannot be made."""
    told = json.dumps([MODULES, plan()], sort_keys=True)
    digest = hashlib.sha256(told.encode())
    for name in ("requirements.lock", "bootstrap.py"):
        digest.update((HERE / name).read_bytes())
    made = TRYTON / f"template-{digest.hexdigest()[:16]}.sqlite"
    interpreter = python()
    with _alone():
        if not made.exists():
            for old in TRYTON.glob("template-*.sqlite"):
                old.unlink()
            with tempfile.TemporaryDirectory(dir=TRYTON) as folder:
                _make(Path(folder), interpreter)
                copy(Path(folder) / f"{DATABASE}.sqlite", made)
    return made


@contextmanager
def _alone() -> Iterator[None]:
    """Several test processes may want it at once: one makes it."""
    held = os.open(TRYTON, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _make(folder: Path, interpreter: Path) -> None:
    (folder / f"{DATABASE}.sqlite").touch()
    secret = folder / "password"
    secret.write_text(CLERK["password"])
    configuration = configure(folder, 0)
    log = TRYTON / "template.log"
    env = {**os.environ, "TRYTONPASSFILE": str(secret), "PYTHONPATH": ""}
    admin = [str(interpreter.with_name("trytond-admin")), "-c", str(configuration), "-d", DATABASE, "-u", *MODULES]
    book = [str(interpreter), str(HERE / "bootstrap.py"), f"sqlite:///{DATABASE}", str(configuration)]
    with log.open("w", encoding="utf-8") as sink:
        for command, text in (
            ([*admin, "--activate-dependencies", "--email", "a@example.com", "-p"], None),
            (book, json.dumps(plan())),
        ):
            if subprocess.run(command, input=text, stdout=sink, stderr=sink, env=env, text=True, check=False).returncode != 0:
                raise LocalError(f"Tryton's database could not be made; see {log}")


def configure(folder: Path, port: int, fresh: int = 300) -> Path:
    path = folder / "trytond.conf"
    path.write_text(CONFIGURATION.format(folder=folder, port=port, fresh=fresh), encoding="utf-8")
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
