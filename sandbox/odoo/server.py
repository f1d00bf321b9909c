"""A running Odoo on loopback, on a PostgreSQL of its own. Databases are made once and copied."""

from __future__ import annotations

import glob
import hashlib
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from include.erp.jsonrpc import odoo
from sandbox.local import LocalError, free_port, process
from sandbox.odoo import books
from sandbox.odoo.install import HERE, HOME, SUITE, Installed, installed, run, told, tool
from sandbox.seed import names

MODULES = "purchase,project,analytic,l10n_us"
DATABASE = "erp"
READY_SECONDS = 120
SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=127.0.0.1")
"""A server that is made for a trial need not survive a power cut."""
CONFIGURATION = """
[options]
http_interface = 127.0.0.1
http_port = {port}
workers = 0
max_cron_threads = 0
list_db = False
without_demo = all
db_host = 127.0.0.1
db_port = {database}
db_user = odoo
data_dir = {data}
"""


@contextmanager
def running() -> Iterator[str]:
    """Odoo with the company's masters and no documents; gives ``http://127.0.0.1:8069/erp``, without a user."""
    found = installed()
    with postgres() as postgresql:
        modules = postgresql.once(f"modules_{_hash(MODULES, SUITE)}", lambda name: _modules(found, postgresql, name))
        filled = f"books_{_hash(modules, *_sources())}"
        postgresql.once(filled, lambda name: _books(found, postgresql, modules, name))
        postgresql.copy(filled, DATABASE)
        with served(found, postgresql, DATABASE) as url:
            yield url


def _sources() -> list[str]:
    """What the masters are made by."""
    paths = [HERE / "books.py", Path(odoo.__file__), *sorted(Path(names.__file__).parent.glob("*.py"))]
    return [path.read_text(encoding="utf-8") for path in paths]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _modules(found: Installed, postgresql: Postgres, name: str) -> None:
    told("a database with Odoo's modules (a minute or two)")
    run([*_command(found, postgresql, 0), "-d", name, "-i", MODULES, "--stop-after-init"])


def _books(found: Installed, postgresql: Postgres, modules: str, name: str) -> None:
    told("the company's masters")
    postgresql.copy(modules, name)
    with served(found, postgresql, name) as url:
        consultant = books.Consultant(url)
        consultant.set_up()
        consultant.close()


def _command(found: Installed, postgresql: Postgres, port: int) -> list[str]:
    path = HOME / "odoo.conf"
    path.write_text(CONFIGURATION.format(port=port, database=postgresql.port, data=HOME / "data"), encoding="utf-8")
    return ["env", f"PYTHONPATH={found.library}", str(found.python), str(found.program), "-c", str(path)]


@contextmanager
def served(found: Installed, postgresql: Postgres, name: str) -> Iterator[str]:
    port, log = free_port(), HOME / "odoo.log"
    with process([*_command(found, postgresql, port), "-d", name], log) as child:
        base, deadline = f"http://127.0.0.1:{port}", time.monotonic() + READY_SECONDS
        asked = {"jsonrpc": "2.0", "method": "call", "params": {"service": "common", "method": "version", "args": []}}
        while True:
            try:
                httpx.post(f"{base}/jsonrpc", json=asked, timeout=30)
                break
            except httpx.TransportError:
                if child.poll() is not None or time.monotonic() > deadline:
                    raise LocalError(f"Odoo did not start; see {log}") from None
                time.sleep(0.2)
        yield f"{base}/{name}"


# -- PostgreSQL


class Postgres:
    """:param bin: where ``psql`` and the others are."""

    def __init__(self, bin: Path, port: int) -> None:
        self.bin, self.port = bin, port

    def client(self, program: str, *arguments: str) -> None:
        run([str(self.bin / program), "-h", "127.0.0.1", "-p", str(self.port), "-U", "odoo", *arguments])

    def once(self, name: str, make: Callable[[str], None]) -> str:
        """A database that ``make`` fills, made once; those of an older make are dropped."""
        listed = [str(self.bin / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "odoo", "-Atc"]
        asked = "SELECT datname FROM pg_database"
        there = subprocess.run([*listed, asked, "postgres"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        if name in there:
            return name
        for old in there:
            if old.startswith(name.partition("_")[0] + "_"):
                self.drop(old)
        partial = f"{name}_partial"
        self.drop(partial)
        make(partial)
        self.client("psql", "-c", f'ALTER DATABASE "{partial}" RENAME TO "{name}"', "postgres")
        _move(partial, name)
        return name

    def copy(self, source: str, target: str) -> None:
        self.drop(target)
        self.client("createdb", "-T", source, target)
        if (files := HOME / "data" / "filestore" / source).exists():
            shutil.copytree(files, files.with_name(target))

    def drop(self, name: str) -> None:
        self.client("dropdb", "--force", "--if-exists", name)
        shutil.rmtree(HOME / "data" / "filestore" / name, ignore_errors=True)


def _move(source: str, target: str) -> None:
    """The files that Odoo keeps beside a database."""
    folder = HOME / "data" / "filestore"
    shutil.rmtree(folder / target, ignore_errors=True)
    if (folder / source).exists():
        (folder / source).rename(folder / target)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server on loopback, its data in ``var/odoo/postgres``."""
    bin, folder, log = _programs(), HOME / "postgres", HOME / "postgres.log"
    as_user = _another_user(folder)
    if not (folder / "PG_VERSION").exists():
        told("a PostgreSQL of its own")
        made = [str(bin / "initdb"), "-D", str(folder), "-A", "trust", "-U", "odoo", "-E", "UTF8", "--locale=C"]
        run([*as_user, *made])
    found = Postgres(bin, free_port())
    options = [part for one in (*SETTINGS, f"port={found.port}", "unix_socket_directories=") for part in ("-c", one)]
    with process([*as_user, str(bin / "postgres"), "-D", str(folder), *options], log) as child:
        deadline = time.monotonic() + READY_SECONDS
        ready = [str(bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(found.port)]
        while subprocess.run(ready, check=False).returncode != 0:
            if child.poll() is not None or time.monotonic() > deadline:
                raise LocalError(f"PostgreSQL did not start; see {log}")
            time.sleep(0.1)
        yield found


def _programs() -> Path:
    """Debian keeps the server's programs off PATH."""
    on_path = shutil.which("initdb")
    places = [*sorted(glob.glob("/usr/lib/postgresql/*/bin"))[::-1], *([Path(on_path).resolve().parent] if on_path else ())]
    for place in map(Path, places):
        if all((place / name).exists() for name in ("initdb", "postgres", "pg_isready", "psql", "createdb", "dropdb")):
            return place
    raise LocalError("Odoo needs PostgreSQL 10 or newer, and its initdb was not found: install postgresql")


def _another_user(folder: Path) -> list[str]:
    """PostgreSQL does not run as root: then as the user ``postgres``, who must reach its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return []
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise LocalError("PostgreSQL does not run as root, and there is no user postgres: run this as another user") from None
    if closed := next((one for one in folder.resolve().parents if not one.stat().st_mode & 0o001), None):
        raise LocalError(
            f"PostgreSQL does not run as root, and the user postgres cannot reach {closed}: run this as another user"
        )
    os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o700)
    return [tool("setpriv", "takes on another user"), "--reuid=postgres", "--regid=postgres", "--clear-groups"]
