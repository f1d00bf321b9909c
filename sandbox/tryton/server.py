"""A running Tryton on loopback, in a folder of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from sandbox.local import LocalError, free_port, process
from sandbox.tryton.template import CLERK, DATABASE, INTEGRATION, READER, configure, python, restore, template

READY_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Running:
    """Where it listens, and how the users of :mod:`sandbox.tryton.template` log in."""

    url: str
    """Without a user: ``http://127.0.0.1:8000/erp``."""
    folder: Path

    def address(self, user: str = "integration") -> str:
        """With login and password, as a connection gives it."""
        login = {"integration": INTEGRATION, "clerk": CLERK, "reader": READER}[user]
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{login['login']}:{login['password']}@{rest}"


@contextmanager
def tryton(
    folder: Path, source: Path | None = None, *, keep: bool = False, fresh: int = 300, grace: bool = False
) -> Iterator[Running]:
    """A server on a copy of ``source`` (None: the template), or on what ``folder`` has (``keep``).

    ``fresh``: seconds for which a log-in is good enough to post. ``grace``: a purchase or sale that was confirmed rests for the
    company's period of grace, in which it can be taken back and cancelled; without, it is under way at once. Tryton wants a
    worker for it, which no SQLite database can have: what comes after the period is never reached here.

    Raises LocalError where it does not come up.
    """
    if not keep:
        restore(folder, source or template())
    port = free_port()
    configuration = configure(folder, port, fresh, grace=grace)
    log = folder / "trytond.log"
    command = [str(python().with_name("trytond")), "-c", str(configuration), "-d", DATABASE]
    with process(command, log) as child:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                httpx.post(f"{url}/rpc/", json={"id": 0, "method": "common.server.version", "params": []}, timeout=10)
                break
            except httpx.TransportError:
                if child.poll() is not None or time.monotonic() > deadline:
                    raise LocalError(f"Tryton did not start; see {log}") from None
                time.sleep(0.1)
        yield Running(f"{url}/{DATABASE}", folder)
