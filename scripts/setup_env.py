#!/usr/bin/env python3
"""Create or repair the checkout's Python environment in ``.venv`` (standard library only; starts under any Python 3.7 or newer).

Installs exactly ``requirements.lock`` and the project's own metadata (the Airflow provider entry point), with ``uv`` when it is
on PATH, else with venv and pip, and compiles bytecode. Touches nothing outside the checkout but the installer's download cache.
Other programs that the sandbox runs beside the project get an environment of their own in the same way (:class:`Environment`).

* ``.venv/.stamp`` holds a hash of the inputs of the last complete installation: equal means there is nothing to do.
* ``.venv-incomplete`` exists while an installation is under way: found at the start, the environment is built anew.
* Two simultaneous calls wait for each other.

Environment: ``INSTALLER=pip`` or ``INSTALLER=uv`` forces one of the two.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

OLDEST = (3, 11)
NEWEST = (3, 13)
CANDIDATES = ("python3.12", "python3.13", "python3.11", "python3")


def say(text: str) -> None:
    print("[setup] " + text, file=sys.stderr, flush=True)


def version_of(python: str) -> tuple[int, int] | None:
    """(major, minor) of an interpreter, None when it does not run (a version manager's empty shim, a broken link)."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        major, minor = done.stdout.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None


def supported(version: tuple[int, int] | None) -> bool:
    return version is not None and OLDEST <= version <= NEWEST


def choose_python(wanted: str | None) -> str:
    """The interpreter to build on: the one asked for, else this one if the lock covers it, else the best one on PATH.

    Ends the program with a message when there is none.
    """
    if wanted:
        if supported(version_of(wanted)):
            return wanted
        sys.exit(f"{wanted} is not a Python from {dotted(OLDEST)} to {dotted(NEWEST)}.")
    if supported(sys.version_info[:2]):
        return sys.executable
    for name in CANDIDATES:
        if supported(version_of(name)):
            return name
    if sys.version_info[:2] > NEWEST:
        say(f"Python {dotted(sys.version_info[:2])} is newer than the versions this project is tested with; trying it.")
        return sys.executable
    sys.exit(f"Python {dotted(OLDEST)} or newer is needed, and none was found on PATH. Name one: make PYTHON=/path/to/python3.12")


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version[:2])


def find_uv() -> str | None:
    """Path of a uv that runs, None when pip is to be used."""
    installer = os.environ.get("INSTALLER", "")
    uv = None if installer == "pip" else shutil.which("uv")
    if uv and subprocess.run([uv, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        uv = None
    if installer == "uv" and not uv:
        sys.exit("INSTALLER=uv, but no working uv is on PATH.")
    return uv


def run(*command: str) -> None:
    """Run an installer's command in the checkout; end the program with its exit code when it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")}
    done = subprocess.run(command, cwd=str(ROOT), env=environment)
    if done.returncode != 0:
        say("failed: " + " ".join(command))
        sys.exit(done.returncode)


class Environment:
    """A Python environment in ``folder`` that holds exactly what ``lock`` pins and, if ``project`` is given, that checkout as an
    editable install."""

    def __init__(self, folder: Path, lock: Path, project: Path | None = None) -> None:
        self.folder, self.lock, self.project = folder, lock, project
        self.python = folder / "bin" / "python"
        self.stamp = folder / ".stamp"
        self.incomplete = folder.with_name(f"{folder.name}-incomplete")

    def fingerprint(self) -> str:
        """Hash of everything an installation depends on. pyproject.toml is among it because it declares the entry point."""
        digest = hashlib.sha256()
        for path in (self.lock, *([self.project / "pyproject.toml"] if self.project else []), Path(__file__)):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def complete(self, wanted: str | None = None) -> bool:
        """Whether the environment is there, whole, up to date and on the interpreter asked for."""
        if self.incomplete.exists() or not self.stamp.is_file() or self.stamp.read_text() != self.fingerprint():
            return False
        here = version_of(str(self.python))
        return here is not None and (wanted is None or here == version_of(wanted))

    def reusable(self, wanted: str | None = None) -> bool:
        """Whether it can be brought up to date in place; not after an interruption, since files may be missing."""
        here = version_of(str(self.python))
        return (
            not self.incomplete.exists()
            and here is not None
            and here >= OLDEST
            and (wanted is None or here == version_of(wanted))
        )

    def ensure(self, wanted: str | None = None) -> None:
        """Create it, bring it up to date, or do nothing."""
        place = self.project or self.folder.parent
        place.mkdir(parents=True, exist_ok=True)
        held = os.open(str(place), os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            if not self.complete(wanted):
                self._make(wanted)
        finally:
            os.close(held)

    def _make(self, wanted: str | None) -> None:
        started = time.monotonic()
        uv = find_uv()
        fresh = not self.reusable(wanted)
        python = choose_python(wanted) if fresh else str(self.python)
        self.incomplete.touch()
        verb = "creating" if fresh else "updating"
        say(f"{verb} {self.folder.name} with {'uv' if uv else 'pip'} (a minute or several, once)")
        if fresh:
            self._create(python, uv)
        self._install(uv)
        self.stamp.write_text(self.fingerprint())
        self.incomplete.unlink()
        version = version_of(str(self.python))
        say(f"{self.folder.name} is ready: Python {dotted(version or ())}, {time.monotonic() - started:.0f} s")

    def _create(self, python: str, uv: str | None) -> None:
        if self.folder.is_symlink():
            self.folder.unlink()
        elif self.folder.exists():
            shutil.rmtree(str(self.folder))
        if uv:
            run(uv, "venv", "--quiet", "--no-project", "--python", shutil.which(python) or python, str(self.folder))
            return
        # Debian splits ensurepip off into python3-venv; a pip outside can put one in as well.
        has_ensurepip = subprocess.run([python, "-c", "import ensurepip"], stderr=subprocess.DEVNULL).returncode == 0
        run(python, "-m", "venv", *([] if has_ensurepip else ["--without-pip"]), str(self.folder))
        if not has_ensurepip:
            say("this Python has no ensurepip; taking pip from outside (else: install python3-venv, or uv)")
            run(python, "-m", "pip", "--python", str(self.python), "install", "--quiet", "--disable-pip-version-check", "pip")

    def _install(self, uv: str | None) -> None:
        # uv compiles only when told to, pip always does; both do it whatever PYTHONDONTWRITEBYTECODE says, and every
        # `airflow` command starts twice as fast for it. The build backend is in the lock, so the second step fetches nothing.
        if uv:
            pip = [uv, "pip", "install", "--quiet", "--python", str(self.python)]
            run(*pip, "--compile-bytecode", "--requirement", str(self.lock))
        else:
            if subprocess.run([str(self.python), "-m", "pip", "--version"], stdout=subprocess.DEVNULL).returncode != 0:
                run(str(self.python), "-m", "ensurepip")
            pip = [str(self.python), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
            run(*pip, "--requirement", str(self.lock))
        if self.project:
            run(*pip, "--no-deps", "--no-build-isolation", "--editable", str(self.project))


def main() -> None:
    parser = argparse.ArgumentParser(description="Create or repair .venv.")
    parser.add_argument("--python", help="interpreter to build on; an environment of another version is replaced")
    Environment(ROOT / ".venv", ROOT / "requirements.lock", ROOT).ensure(parser.parse_args().python)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
