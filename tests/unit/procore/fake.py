"""A small HTTP server that answers as it is told, also with what no web framework would let out: cut replies, broken text."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

NOW = 1_790_000_000
"""The server's clock, unix seconds: far from the real one, so that code which mixes them up fails."""


@dataclass
class Call:
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    peer: int = 0
    """The client's port: equal for calls over one connection."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """``body``: JSON-able, or bytes as they are. ``drop``: the connection is closed without an answer."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    cut: bool = False


Handler = Callable[[Call], Answer]


class FakeProcore:
    """Answers registered routes; counts what it was asked for. ``/oauth/token`` is there from the start."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.tokens: list[str] = []
        self.valid: set[str] = set()
        self.expires_in = 5400
        self._routes: dict[tuple[str, str], Handler] = {("POST", "/oauth/token"): self._token}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def route(self, path: str, method: str = "GET") -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self._routes[method, path] = handler
            return handler

        return register

    def script(self, path: str, *answers: Answer, method: str = "GET") -> None:
        """One answer after the other; the last one stays."""
        left = list(answers)
        self._routes[method, path] = lambda call: left.pop(0) if len(left) > 1 else left[0]

    def asked(self, path: str, method: str | None = None) -> list[Call]:
        return [call for call in self.calls if call.path == path and method in (None, call.method)]

    def _token(self, call: Call) -> Answer:
        if call.json["client_secret"] != "secret-secret":
            return Answer({"error": "invalid_client", "error_description": "unknown client"}, 401)
        self.tokens.append(f"token-{len(self.tokens) + 1}")
        self.valid = {self.tokens[-1]}
        return Answer({"access_token": self.tokens[-1], "token_type": "bearer", "expires_in": self.expires_in, "created_at": NOW})

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        if call.path != "/oauth/token":
            if call.headers.get("procore-company-id") != "8089":
                return Answer({"errors": "Missing Procore-Company-Id header! Say which company."}, 400)
            if call.headers.get("authorization", "").removeprefix("Bearer ") not in self.valid:
                return Answer({"code": 401, "message": "The access token is invalid"}, 401)
        handler = self._routes.get((call.method, call.path))
        return handler(call) if handler else Answer({"code": 404, "message": "no such path"}, 404)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class RequestHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                query = parse_qsl(url.query, keep_blank_values=True)
                answer = fake.answer(Call(self.command, url.path, query, headers, body, self.client_address[1]))
                if answer.drop:
                    self.close_connection = True
                    self.connection.close()
                    return
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response_only(answer.status)
                self.send_header("Date", formatdate(NOW, usegmt=True))
                if "Content-Type" not in answer.headers:
                    self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content) + (100 if answer.cut else 0)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
                if answer.cut:
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.close()

            do_GET = do_POST = do_PATCH = _serve

            def log_message(self, *args: Any) -> None:
                pass

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (OSError, ValueError):
                    self.close_connection = True

        return RequestHandler


class Clock:
    """Time that passes only when somebody sleeps. ``slept`` are the pauses, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
