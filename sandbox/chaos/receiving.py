"""The receiver of events outside Airflow, over HTTP at an address of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import uvicorn

from include.financials.exceptions import ConfigurationError
from include.financials.ledger import Ledger
from include.provider.receiver import Door, create_app

OLD = "token-of-the-tests-1st"


class Site:
    """A receiver at an address of its own, that takes ``tokens``; None: its connection is not there."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(f"sqlite:///{folder}/ledger.sqlite")
        self.ledger.create()
        self.tokens: tuple[str, ...] | None = (OLD,)
        self.address = ""

    def door(self) -> Door:
        if self.tokens is None:
            raise ConfigurationError("Connection procore_webhooks is not defined")
        return Door(tuple(f"Bearer {token}" for token in self.tokens), self.ledger, self.nobody, "5100001")

    async def nobody(self, _: datetime) -> None:
        pass


def listening() -> socket.socket:
    """Bound to a free port of this machine: who connects from now on is answered as soon as somebody serves."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def address_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/webhooks"


def server_of(site: Site) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(create_app(site.door), lifespan="off", log_level="warning"))


@contextmanager
def receiving(folder: Path) -> Iterator[Site]:
    """The receiver in this process."""
    site, listener = Site(folder), listening()
    site.address, server = address_of(listener), server_of(site)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.should_exit = True
        thread.join(10)
        site.ledger.close()
