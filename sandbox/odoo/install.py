"""Odoo 14 and what it stands on: Debian's archived package, unpacked privately, and an environment of Python 3.9.

Nothing is installed into the machine. Where a part cannot be had the message says which, and how else to give it.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.local import VAR, LocalError
from sandbox.tryton.template import setup

HERE = Path(__file__).resolve().parent
HOME = VAR / "odoo"
SUITE, PACKAGE = "bullseye", "odoo-14"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PYTHONS = ("python3.9", "~/.pyenv/versions/3.9*/bin/python")


@dataclass(frozen=True, slots=True)
class Installed:
    python: Path
    library: Path
    """The folder of the package ``odoo``."""
    program: Path


def installed() -> Installed:
    """Fetched and unpacked by the first call. Raises LocalError for what is missing."""
    HOME.mkdir(parents=True, exist_ok=True)
    root = HOME / "root"
    if not root.exists():
        told("Odoo 14 from Debian's archive (70 MB, unpacked 630 MB)")
        partial = HOME / "root.partial"
        shutil.rmtree(partial, ignore_errors=True)
        run([tool("dpkg-deb", "unpacks Debian's package"), "-x", str(package()), str(partial)])
        partial.replace(root)
    return Installed(environment(), root / "usr/lib/python3/dist-packages", root / "usr/bin/odoo")


def package() -> Path:
    """Debian's package: ``$ODOO_DEB``, or fetched and checked by apt in a root of its own."""
    if given := os.environ.get("ODOO_DEB"):
        if not Path(given).is_file():
            raise LocalError(f"ODOO_DEB={given} is no file")
        return Path(given)
    missing = "fetches Odoo 14 from Debian's archive; else download the package odoo-14 of bullseye and set ODOO_DEB=/path/to/it"
    apt = tool("apt-get", missing)
    if not KEYRING.is_file():
        raise LocalError(f"{KEYRING} is not there, by which apt checks Debian's packages: install debian-archive-keyring")
    folder = HOME / "apt"
    for name in ("lists/partial", "cache/archives/partial", "state"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "state" / "status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror(apt)} {SUITE} main\n", encoding="utf-8")
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "state" / "status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Check-Valid-Until": "false",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    run([apt, *options, "update"])
    run([apt, *options, "download", PACKAGE], folder)
    return next(folder.glob(f"{PACKAGE}_*.deb"))


def mirror(apt: str) -> str:
    """``$DEBIAN_MIRROR``, or where this machine's own apt gets Debian from."""
    if given := os.environ.get("DEBIAN_MIRROR"):
        return given
    asked = [apt, "indextargets", "--format", "$(REPO_URI)", "Origin: Debian"]
    found = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout.split()
    uris = [one for one in found if one.rstrip("/").endswith("/debian")]
    if not uris:
        raise LocalError(
            "apt knows no mirror of Debian here: set DEBIAN_MIRROR to one that has bullseye, or ODOO_DEB to the package"
        )
    return uris[0]


def environment() -> Path:
    """The interpreter of Odoo's environment, made anew when its lock changed."""
    lock, folder = HERE / "requirements.lock", HOME / "venv"
    python, stamp = folder / "bin" / "python", folder / ".stamp"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    told("an environment of Python 3.9 with what Odoo needs")
    shutil.rmtree(folder, ignore_errors=True)
    uv = setup().find_uv()
    if uv:
        run([uv, "venv", "--quiet", "--no-project", "--python", python39() or "3.9", str(folder)])
        run([uv, "pip", "install", "--quiet", "--python", str(python), "--requirement", str(lock)])
    else:
        found = python39()
        if found is None:
            raise LocalError("Odoo 14 runs under Python 3.9, and none was found: install uv, or set PYTHON39=/path/to/python3.9")
        run([found, "-m", "venv", str(folder)])
        run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", str(lock)])
    stamp.write_text(wanted)
    return python


def python39() -> str | None:
    names = [os.environ["PYTHON39"]] if "PYTHON39" in os.environ else PYTHONS
    for name in names:
        for path in [shutil.which(name), *glob.glob(os.path.expanduser(name))]:
            if path and setup().version_of(path) == (3, 9):
                return str(path)
    return None


def tool(name: str, what_for: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise LocalError(f"{name} is not on PATH; it {what_for}")
    return found


def told(what: str) -> None:
    print(f"[odoo] {what} ...", file=sys.stderr, flush=True)


def run(command: Sequence[str], folder: Path | None = None) -> None:
    """A program to its end, its output in a log. Raises LocalError with the last lines of what it said."""
    log = HOME / "install.log"
    with log.open("a", encoding="utf-8") as sink:
        sink.write(f"$ {' '.join(command)}\n")
    done = subprocess.run(list(command), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    with log.open("a", encoding="utf-8") as sink:
        sink.write(done.stdout)
    if done.returncode != 0:
        raise LocalError(f"{Path(command[0]).name} failed; see {log}\n" + "\n".join(done.stdout.splitlines()[-5:]))
