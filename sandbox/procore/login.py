"""Tokens of the client-credentials grant (docs/procore-contract.md §1.2)."""

from __future__ import annotations

import secrets
import threading
from base64 import b64decode
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from sandbox.clock import Clock
from sandbox.procore.call import Call, Reply, parse
from sandbox.procore.errors import Refused
from sandbox.procore.settings import CLIENT_ID, CLIENT_SECRET

BAD_TOKEN = "The access token is invalid"
OWNER_ID = 5_100_001
OWNER_LOGIN = "sandbox-service-account@example.com"
OWNER_NAME = "Sandbox Service Account"


@dataclass(frozen=True, slots=True)
class Token:
    """When it was made (unix seconds of the sandbox) and until which tick it holds."""

    created_at: int
    until: float


class Tokens:
    """Issued tokens. They end with the sandbox's clock, so moving it on ends them too."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, Token] = {}

    def issue(self, seconds: int) -> dict[str, Any]:
        text, now = secrets.token_urlsafe(32), int(self._clock.now().timestamp())
        with self._lock:
            self._tokens[text] = Token(now, self._clock.ticks() + seconds)
        return {"access_token": text, "token_type": "bearer", "expires_in": seconds, "created_at": now}

    def find(self, authorization: str) -> Token | None:
        """The live token of an ``Authorization`` header."""
        kind, _, text = authorization.partition(" ")
        with self._lock:
            token = self._tokens.get(text.strip()) if kind.lower() == "bearer" else None
        return token if token is not None and token.until > self._clock.ticks() else None

    def valid(self, authorization: str) -> bool:
        return self.find(authorization) is not None

    def left(self, token: Token) -> int:
        return int(token.until - self._clock.ticks())

    def revoke(self, text: str) -> None:
        with self._lock:
            self._tokens.pop(text, None)


def handle(call: Call, tokens: Tokens, seconds: int) -> Reply:
    """``/oauth/token``, ``/oauth/token/info``, ``/oauth/revoke``."""
    operation = OPERATIONS.get((call.method, call.path.rstrip("/")))
    if operation is None:
        return Reply(404, {"error": "not_found", "error_description": "No such path"})
    try:
        return operation(call, tokens, seconds)
    except Refused as refused:
        return Reply(400, {"error": "invalid_request", "error_description": refused.message})


def _form(call: Call) -> dict[str, Any]:
    """The values of the body (a form of either kind, or JSON); of HTTP Basic the credentials, which then win (RFC 6749 2.3.1)."""
    kind = call.headers.get("content-type", "")
    if "form-urlencoded" in kind:
        given: Any = dict(parse_qsl(call.body.decode("utf-8", "replace")))
    elif "multipart/form-data" in kind:
        given = _parts(kind, call.body)
    else:
        given = parse(call.body)
    return {**(given if isinstance(given, dict) else {}), **_basic(call.headers.get("authorization", ""))}


def _parts(kind: str, body: bytes) -> dict[str, str]:
    """The fields of a multipart form, which is what ``curl -F`` sends."""
    message = message_from_bytes(b"Content-Type: " + kind.encode("latin-1", "replace") + b"\r\n\r\n" + body, policy=HTTP)
    found = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        value = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str) and isinstance(value, bytes):
            found[name] = value.decode("utf-8", "replace")
    return found


def _basic(authorization: str) -> dict[str, str]:
    kind, _, text = authorization.partition(" ")
    if kind.lower() != "basic":
        return {}
    try:
        user, _, password = b64decode(text, validate=True).decode("utf-8").partition(":")
    except ValueError:
        return {"client_id": "", "client_secret": ""}
    return {"client_id": unquote_plus(user), "client_secret": unquote_plus(password)}


def _token(call: Call, tokens: Tokens, seconds: int) -> Reply:
    form = _form(call)
    if form.get("grant_type") != "client_credentials":
        return Reply(
            400, {"error": "unsupported_grant_type", "error_description": "Only client_credentials is offered to this app"}
        )
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        return Reply(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
    return Reply(200, tokens.issue(seconds))


def _info(call: Call, tokens: Tokens, _: int) -> Reply:
    token = tokens.find(call.headers.get("authorization", ""))
    if token is None:
        return Reply(401, {"error": "invalid_token", "error_description": BAD_TOKEN})
    body = {
        "resource_owner_id": OWNER_ID,
        "scopes": [],
        "expires_in_seconds": tokens.left(token),
        "application": {"uid": CLIENT_ID},
        "created_at": token.created_at,
    }
    return Reply(200, body)


def _revoke(call: Call, tokens: Tokens, _: int) -> Reply:
    """Always 200, also for an unknown token."""
    tokens.revoke(str(_form(call).get("token", "")))
    return Reply(200, {})


OPERATIONS = {("POST", "/oauth/token"): _token, ("GET", "/oauth/token/info"): _info, ("POST", "/oauth/revoke"): _revoke}
