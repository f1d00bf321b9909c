"""A server that sends the head of its answer line after line, each in time for itself, and the clock that goes by meanwhile."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from include.financials import replies

LINES = 50


@contextmanager
def trickling(monkeypatch: pytest.MonkeyPatch, step: float) -> Iterator[tuple[str, list[int]]]:
    """Its address, and which lines it has sent. A line leaves when somebody looks at the clock, which is ``step`` seconds later
    at each look; to who does not look the answer comes whole."""
    looked, over = threading.Event(), threading.Event()
    now, sent = [1000.0], list[int]()

    def later() -> float:
        now[0] += step
        looked.set()
        return now[0]

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            for number in range(LINES):
                if not over.is_set():
                    looked.wait(1)
                looked.clear()
                try:
                    connection.sendall(f"X-{number}: drop\r\n".encode())
                except OSError:
                    return
                sent.append(number)
            connection.sendall(b"Content-Length: 2\r\n\r\n[]")

    monkeypatch.setattr(replies, "time", SimpleNamespace(monotonic=later))
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", sent
        finally:
            over.set()
            looked.set()
            thread.join(10)
