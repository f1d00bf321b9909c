"""Preset ``tryton``: session log-in, the context as last parameter, tagged values, warnings answered by the mapping's policy."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from include.erp.json.tagged import tagged
from include.erp.jsonrpc.api import Doc, Domain, Field, Stale, Warned, found_of, made_of
from include.erp.jsonrpc.wire import LoggedOut, Wire
from include.financials.exceptions import ConfigurationError, ContractBroken, OutcomeUnknown, Refused, RetryLater

_KINDS = ("UserError", "UserWarning", "ConcurrencyException", "LoginException", "MissingDependenciesException")
_BUSY = re.compile(r"database is locked|could not (serialize|obtain lock)|deadlock detected", re.I)
_WARNINGS = 10
"""So many different warnings one call may raise; more is a circle."""
_INACTIVE = {"active_test": False}


class Tryton:
    """A log-in at a Tryton server, renewed whenever the server asks for it.

    :param warnings: by the end of a warning's name (``invoice_similar``), what we answer: ``accept`` or ``refuse``.
    """

    def __init__(self, wire: Wire, *, warnings: Mapping[str, str] | None = None) -> None:
        self.wire, self.warnings = wire, dict(warnings or {})
        self._path = f"/{wire.address.database}/rpc/"
        self._authorization: str | None = None
        self._context: dict[str, Any] = {}
        self._ids = 0
        self.fields: Callable[[str], Mapping[str, Field]] = cache(self._fields)

    def close(self) -> None:
        """The session is given back where the server is still there to take it."""
        if self._authorization is not None:
            with suppress(LoggedOut, Refused, RetryLater, ConfigurationError):  # it ends by itself
                self._ask("common.db.logout", [])
        self.wire.close()

    # -- about the server

    def version(self) -> str:
        found = self._answer(self.wire.post("/rpc/", {"id": 0, "method": "common.server.version", "params": []}))
        return f"Tryton {found}"

    def now(self) -> datetime:
        self.call("model.res.user", "get_preferences", True)
        if self.wire.now is None:
            raise ConfigurationError(f"{self.wire.address.base} does not say what time it is (no Date in its answer).")
        return self.wire.now

    def _fields(self, model: str) -> Mapping[str, Field]:
        found = self.call(f"model.{model}", "fields_get", [])
        return {
            name: Field(row["type"], bool(row.get("required")), row.get("relation"))
            for name, row in found.items()
            if "type" in row
        }

    # -- records

    def search(
        self, model: str, domain: Domain, paths: Sequence[str], *, order: Sequence[tuple[str, str]] = (), limit: int | None = None
    ) -> list[Doc]:
        found = self.call(
            f"model.{model}", "search_read", list(domain), 0, limit, [list(one) for one in order] or None, sorted({*paths, "id"}),
            context=_INACTIVE,
        )  # fmt: skip
        return [_nested(row) for row in found_of(found, dict, model)]

    def create(self, model: str, values: Mapping[str, Any], beside: Sequence[Mapping[str, Any]] = ()) -> int:
        return self.create_many(model, [values, *beside])[0]

    def create_many(self, model: str, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Several records in one transaction."""
        made = self.call(f"model.{model}", "create", [self._encoded(model, row) for row in rows], writes=True)
        return made_of(made, len(rows), model)

    def write(self, model: str, ids: Sequence[int], values: Mapping[str, Any]) -> None:
        self.call(f"model.{model}", "write", list(ids), self._encoded(model, values), writes=True)

    def delete(self, model: str, ids: Sequence[int]) -> None:
        self.call(f"model.{model}", "delete", list(ids), writes=True)

    def press(self, model: str, button: str, ids: Sequence[int]) -> None:
        self.call(f"model.{model}", button, list(ids), writes=True)

    def _encoded(self, model: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """As the model's fields want them: Numeric tagged, Float as a bare number, records that hang on it as ``create``."""
        known = self.fields(model)
        out: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise ConfigurationError(f"{model} has no field {name!r}.")
            field = known[name]
            if isinstance(value, list | tuple) and all(isinstance(one, Mapping) for one in value):
                rows = [self._encoded(field.relation or "", one) for one in value]
                out[name] = [["create", rows]] if rows else []
            elif isinstance(value, list | tuple):
                out[name] = [["add", list(value)]] if value else []
            elif isinstance(value, Decimal):
                digits = Decimal(format(value.normalize(), "f"))  # zeros at the end count as digits there
                out[name] = digits if field.type == "float" else tagged(digits)
            else:
                out[name] = tagged(value)
        return out

    # -- calls

    def call(self, target: str, method: str, *args: Any, writes: bool = False, context: Mapping[str, Any] | None = None) -> Any:
        """One remote procedure. A session that ended (also the fresh one that posting asks for) is renewed, and the call made
        again: the server looks at the session before anything else."""
        arguments = [one if writes else tagged(one) for one in args]
        asked: set[str] = set()
        renewed = False
        while True:
            if self._authorization is None:
                self._login()
            try:
                return self._ask(f"{target}.{method}", [*arguments, {**self._context, **(context or {})}], writes)
            except LoggedOut:
                if renewed:
                    raise ConfigurationError(f"{self.wire.address}: the server ends each session at once.") from None
                renewed, self._authorization = True, None
            except Warned as warning:
                if warning.name in asked or len(asked) >= _WARNINGS or self._policy(warning.name) != "accept":
                    raise
                asked.add(warning.name)
                self._ask("model.res.user.warning.skip", [warning.name, False, self._context], True)

    def _policy(self, name: str) -> str | None:
        return next((answer for end, answer in self.warnings.items() if name.endswith(end)), None)

    def _login(self) -> None:
        address = self.wire.address
        parameters = [address.login, {"password": address.password}, "en"]
        self._ids += 1
        body = {"id": self._ids, "method": "common.db.login", "params": parameters}
        try:
            found = self._answer(self.wire.post(self._path, body))
        except LoggedOut:
            raise ConfigurationError(f"{address}: the ERP refuses this login or password.") from None
        user, token, *_ = found
        text = f"{address.login}:{user}:{token}"
        self._authorization = "Session " + base64.b64encode(text.encode()).decode()
        self._context = dict(self._ask("model.res.user.get_preferences", [True, {}]))

    def _ask(self, method: str, parameters: list[Any], writes: bool = False) -> Any:
        self._ids += 1
        headers = {"Authorization": self._authorization} if self._authorization else {}
        body = {"id": self._ids, "method": method, "params": parameters}
        return self._answer(self.wire.post(self._path, body, headers=headers, writes=writes), writes)

    @staticmethod
    def _answer(reply: Any, writes: bool = False) -> Any:
        """Errors come back with the status of a success; the server has rolled back by then."""
        if not isinstance(reply, dict) or not ("result" in reply or "error" in reply):
            return reply
        if "error" not in reply:
            return reply["result"]
        error = reply["error"]
        if not isinstance(error, list) or not error:
            unsaid = OutcomeUnknown if writes else ContractBroken
            raise unsaid(f"The ERP answered the error {str(error)[:60]!r}, which says nothing.")
        kind, *rest = error
        if kind not in _KINDS:
            text = str(kind)
            if _BUSY.search(text):
                raise RetryLater(f"The ERP is busy: {text}")
            raise Refused(f"The ERP failed: {text.strip() or 'no reason given'}")
        parts = rest[0] if rest and isinstance(rest[0], list) else rest
        words = [str(part) for part in parts if isinstance(part, str) and part]
        if kind == "UserWarning":
            raise Warned(f"The ERP warns: {' '.join(words[1:])}", words[0] if words else "")
        if kind == "ConcurrencyException":
            raise Stale("Somebody changed the record in the ERP meanwhile.")
        raise Refused(" ".join(words) or kind)


def _nested(row: Any) -> Any:
    """``party.`` beside ``party``: what was read of the related record stands in the place of its number."""
    if isinstance(row, list):
        return [_nested(one) for one in row]
    if not isinstance(row, dict):
        return row
    found = {name: value for name, value in row.items() if not name.endswith(".")}
    for name, value in row.items():
        if name.endswith("."):
            found[name[:-1]] = _nested(value)
    return found
