"""Connections of httpx on which an answer has one time, head and body together: a time-out of httpx limits only the pause between
two bytes, so that a server that sends line after line of its head would hold a worker for as long as it likes. And what is sent
on them departs (:mod:`include.financials.departing`)."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from include.financials.departing import depart
from include.financials.replies import Allowance, Endless


class _Stream(httpcore.NetworkStream):
    """The time of an answer begins when it is first waited for after something was sent."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._time: Allowance | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if timeout is None:
            return self._inner.read(max_bytes, timeout)
        self._time = self._time or Allowance(timeout)
        try:
            left = self._time.left()
        except Endless as error:
            raise httpcore.ReadTimeout(*error.args) from error
        return self._inner.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._time = None
        depart()
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


def timed(transport: httpx.BaseTransport) -> None:
    """Lets connections of the transport have it, also those through a proxy. httpx has no door for that; a transport of another
    kind (a test's) has no connections."""
    if isinstance(transport, httpx.HTTPTransport):
        pool = transport._pool
        pool._network_backend = _Backend(pool._network_backend)
