"""What is ready to leave looks at its lease once more, wherever it leaves: nothing does under one that has passed on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from requests import adapters
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from include.erp.files import dropping
from include.erp.files.folder import Folder
from include.erp.json.web import client
from include.financials import departing
from include.financials.departing import FRESH, Alive, depart, under
from include.financials.exceptions import LeaseLost
from include.procore.timed import Timed
from tests.unit.erp.files.exchange import Exchange
from tests.unit.erp.strangers import commitment, post


class Lease:
    """Clocks that somebody moves, and a lease that may have passed on. ``behind``: what the clock since the start has missed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.renewed, self.takes, self.lost, self.behind = 5000.0, list[float](), 0.0, False, 0.0
        monkeypatch.setattr(departing, "clocks", lambda: (self.now - self.behind, 1e9 + self.now))

    def renew(self) -> None:
        if self.lost:
            raise LeaseLost("passed to another task")
        self.renewed.append(self.now)
        self.now += self.takes

    def passes_on(self) -> None:
        self.lost = True
        self.now += FRESH + 0.1


@pytest.fixture
def lease(monkeypatch: pytest.MonkeyPatch) -> Lease:
    return Lease(monkeypatch)


def test_a_lease_renewed_just_now_is_not_asked_again(lease: Lease) -> None:
    with under(Alive(lease.renew)):
        lease.now += FRESH
        depart()
        assert lease.renewed == []
        lease.now += 0.1
        depart()
        depart()
    assert lease.renewed == [5000.0 + FRESH + 0.1]


def test_a_renewal_counts_from_its_beginning(lease: Lease) -> None:
    """Whoever stands still while it is being written down has a lease from then on."""
    alive = Alive(lease.renew)
    lease.takes = FRESH + 1
    alive()
    assert alive.stale()
    lease.takes = 0.0
    with under(alive):
        depart()
    assert len(lease.renewed) == 2 and not alive.stale()


def test_a_lease_that_passed_on_is_an_error(lease: Lease) -> None:
    lease.lost = True
    with under(Alive(lease.renew)):
        depart()
        lease.passes_on()
        with pytest.raises(LeaseLost):
            depart()
    depart()  # what belongs to no write has no lease


def test_a_machine_that_its_host_held_still_has_the_time_of_day_alone(lease: Lease) -> None:
    with under(Alive(lease.renew)):
        lease.now += FRESH + 1
        lease.behind = FRESH + 1
        depart()
    assert lease.renewed == [5000.0 + FRESH + 1]


def test_a_time_of_day_that_is_set_back_hides_nothing(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    with under(Alive(lease.renew)):
        lease.now += FRESH + 1
        monkeypatch.setattr(departing, "clocks", lambda: (lease.now, 1e9))
        depart()
    assert len(lease.renewed) == 1


def test_a_lease_is_that_of_its_block(lease: Lease) -> None:
    inner = Alive(lease.renew)
    with under(Alive(lambda: None)):
        with under(inner):
            pass
        lease.passes_on()
        depart()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                said = self.rfile.read(int(self.headers["Content-Length"]))
                self.server.bodies.append(said)  # type: ignore[attr-defined]
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join(10)


class ByRequests(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self.mount("http://", Timed())

    def say(self, url: str, said: bytes) -> Any:
        return self.post(url, data=said, timeout=10)


class ByHttpx:
    def __init__(self) -> None:
        self._client = client(10)
        self.close = self._client.close

    def say(self, url: str, said: bytes) -> Any:
        return self._client.post(url, content=said)


@pytest.mark.parametrize("kept", [False, True], ids=["new connection", "kept connection"])
@pytest.mark.parametrize("by", [ByRequests, ByHttpx])
def test_no_request_leaves(lease: Lease, server: Server, by: Callable[[], Any], kept: bool) -> None:
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    with closing(by()) as session, under(Alive(lease.renew)):
        if kept:
            session.say(url, b"first")
        lease.passes_on()
        with pytest.raises(LeaseLost):
            session.say(url, b"second")
        assert server.bodies == [b"first"] * kept
        lease.lost = False
        session.say(url, b"third")  # the connection that was not used is no worse for it
    assert server.bodies == [*[b"first"] * kept, b"third"]


@pytest.mark.parametrize("by", [ByRequests, ByHttpx])
def test_a_connection_that_took_long_asks_for_the_lease_first(
    lease: Lease, server: Server, by: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(self: socket.socket, address: Any, connect: Any = socket.socket.connect) -> None:
        connect(self, address)
        lease.now += FRESH + 1

    monkeypatch.setattr(socket.socket, "connect", slow)
    with closing(by()) as session, under(Alive(lease.renew)):
        session.say(f"http://127.0.0.1:{server.server_address[1]}/", b"said")
    assert (lease.renewed, server.bodies) == ([5000.0 + FRESH + 1], [b"said"])


def test_nor_through_a_proxy_with_connections_of_its_own(lease: Lease, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of kind socks, which takes a package that not everybody has."""

    class Own(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return socket.create_connection(("127.0.0.1", server.server_address[1]))

    class OwnPool(HTTPConnectionPool):
        ConnectionCls = Own

    class Manager(PoolManager):
        def __init__(self, proxy: str, username: str, password: str, **options: Any) -> None:
            super().__init__(**options)
            self.pool_classes_by_scheme = {"http": OwnPool}

    monkeypatch.setattr(adapters, "SOCKSProxyManager", Manager)
    with closing(ByRequests()) as session, under(Alive(lease.renew)):
        session.proxies = {"http": "socks5://proxy.invalid"}
        session.say("http://far.invalid/", b"first")
        lease.passes_on()
        with pytest.raises(LeaseLost):
            session.say("http://far.invalid/", b"second")
        lease.lost = False
        session.say("http://far.invalid/", b"third")
    assert server.bodies == [b"first", b"third"]


def test_no_import_file_is_dropped(lease: Lease, tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    order = commitment("SC-1", contract_date=None)

    def prepared(self: Folder, path: str, content: bytes, prepare: Any = Folder.prepare) -> None:
        prepare(self, path, content)
        lease.passes_on()

    with under(Alive(lease.renew)), pytest.MonkeyPatch.context() as patched:
        patched.setattr(Folder, "prepare", prepared)
        with pytest.raises(LeaseLost):
            post(exchange.system(), order)
    assert [Path(name).suffix for name in exchange.waiting()] == [".part"]
    lease.lost = False
    assert post(exchange.system(), order)[0].status == "accepted"
    assert [Path(name).suffix for name in exchange.waiting()] == [".csv"]


def test_what_another_task_is_about_to_drop_is_not_taken_back(
    lease: Lease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks like what a killed run left behind."""
    exchange, order, removed = Exchange(tmp_path), commitment("SC-1", contract_date=None), list[str]()

    def killed() -> None:
        raise LeaseLost("killed")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dropping, "depart", killed)
        with pytest.raises(LeaseLost):
            post(exchange.system(), order)
    monkeypatch.setattr(Folder, "remove", lambda _, path: removed.append(path))
    with under(Alive(lease.renew)):
        lease.passes_on()
        with pytest.raises(LeaseLost):
            post(exchange.system(), order)
    assert removed == []
