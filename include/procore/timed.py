"""Connections of requests on which an answer has one time, head and body together: a time-out of the connection limits only the
pause between two bytes, so that a server that sends line after line of its head would hold a worker for as long as it likes.
And what is sent on them departs (:mod:`include.financials.departing`)."""

from __future__ import annotations

import io
import socket
from http.client import HTTPResponse
from typing import Any, ClassVar

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

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


class _Http(HTTPConnection):
    response_class = _Answer

    def send(self, data: Any) -> None:
        _connected(self)
        super().send(data)


class _Https(HTTPSConnection):
    response_class = _Answer

    def send(self, data: Any) -> None:
        _connected(self)
        super().send(data)


def _connected(connection: HTTPConnection) -> None:
    """Ready to send: that it is connected first is what may have taken time."""
    if connection.sock is None:
        connection.connect()
    depart()


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class Timed(HTTPAdapter):
    """Also through a proxy."""

    POOLS: ClassVar = {"http": _HttpPool, "https": _HttpsPool}

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self.POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        found = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):  # those have connections of their own
            found.pool_classes_by_scheme = self.POOLS
        return found
