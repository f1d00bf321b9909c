"""Connections of requests on which an answer has one time, head and body together: a time-out of the connection limits only the
pause between two bytes, so that a server that sends line after line of its head would hold a worker for as long as it likes.
And what is sent on them departs (:mod:`include.financials.departing`)."""

from __future__ import annotations

import io
import socket
from functools import cache
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from include.financials.departing import depart
from include.financials.replies import Allowance, Endless


class _InTime(io.RawIOBase):
    """What arrives on a socket until its time is over. Raises TimeoutError then."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, seconds: float) -> None:
        self._raw, self._sock, self._time = raw, sock, Allowance(seconds)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        try:
            self._sock.settimeout(self._time.left())
        except Endless as error:
            raise TimeoutError(*error.args) from error
        found: int | None = self._raw.readinto(buffer)
        return found

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    """The time-out of the connection is the time of the whole answer."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        if (seconds := sock.gettimeout()) is not None:
            self.fp = io.BufferedReader(_InTime(self.fp.detach(), sock, seconds))


class _Connection(HTTPConnection):
    """Before a connection of any kind, as its pool has it."""

    response_class = _Answer

    def send(self, data: Any) -> None:
        if self.sock is None:  # to be connected is what may take time
            self.connect()
        depart()
        super().send(data)


@cache
def _timed(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    own = type(pool.ConnectionCls.__name__, (_Connection, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": own})


class Timed(HTTPAdapter):
    """Also through a proxy, whatever connections its kind (socks) has."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self._time(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        known = proxy in self.proxy_manager
        found = super().proxy_manager_for(proxy, **options)
        if not known:
            self._time(found)
        return found

    @staticmethod
    def _time(manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {scheme: _timed(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}
