"""Preset ``odoo``: ``execute_kw`` over JSON-RPC, and external ids (``ir.model.data``) as a field ``external_id`` of every model.

A record with an external id is made by Odoo's own import (``load``), told to leave alone what is there: record and id are one
transaction, and the database holds each id once. Whoever sends the same again is given the first record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from itertools import zip_longest
from typing import Any

from include.erp.jsonrpc.api import Doc, Domain, Field, found_of, made_of
from include.erp.jsonrpc.wire import Wire
from include.financials.exceptions import ConfigurationError, NotPermitted, OutcomeUnknown, Refused, RetryLater

MODULE = "procore_erp_sync"
"""Under which our external ids stand in ``ir.model.data``."""
EXTERNAL = "external_id"
_PATH = "/jsonrpc"
_IDS = 2000
"""Records of one question by their numbers."""
_INACTIVE = {"active_test": False}
_CREATE_ONCE = {"mode": "update", "noupdate": True, "module": MODULE}
"""What makes ``load`` give back the record that has the external id already, as it is."""
_IN_IMPORT = re.compile(r"^[^<]*<class '([\w.]+)'>:? ?", re.S)
"""``load`` tells an exception as text: Unknown error during import: <class 'odoo.exceptions.UserError'>: You cannot ..."""
_HIDDEN = "Cannot create unbalanced journal entry"
"""What ``load`` says of a bill whatever was wrong: it tries once more, and Odoo 14 has changed the values by then."""
_BUSY = re.compile(r"TransactionRollbackError|SerializationFailure|DeadlockDetected|LockNotAvailable|could not serialize access")
_LOST = re.compile(r"psycopg2\.(OperationalError|InterfaceError|errors\.\w*(Connection|Shutdown)\w*)")


class Odoo:
    """A log-in at an Odoo server, for the company of the integration's user. No session: the password goes with each call.

    :param warnings: of no use here; Odoo either refuses or does not ask.
    """

    def __init__(self, wire: Wire, *, warnings: Mapping[str, str] | None = None) -> None:
        if warnings:
            raise ConfigurationError("Odoo does not warn: take `warnings` out of the mapping.")
        self.wire = wire
        self._user = 0
        self._context: dict[str, Any] = {}
        self._ids = 0
        self.fields: Callable[[str], Mapping[str, Field]] = cache(self._fields)

    def close(self) -> None:
        self.wire.close()

    # -- about the server

    def version(self) -> str:
        return f"Odoo {self._ask('common', 'version', [])['server_version']}"

    def now(self) -> datetime:
        self.call("res.users", "context_get")
        if self.wire.now is None:
            raise ConfigurationError(f"{self.wire.address.base} does not say what time it is (no Date in its answer).")
        return self.wire.now

    def _fields(self, model: str) -> Mapping[str, Field]:
        found = self.call(model, "fields_get", [], ["type", "required", "relation"])
        known = {name: Field(row["type"], bool(row.get("required")), row.get("relation")) for name, row in found.items()}
        return {**known, EXTERNAL: Field("char")}

    # -- records

    def search(
        self, model: str, domain: Domain, paths: Sequence[str], *, order: Sequence[tuple[str, str]] = (), limit: int | None = None
    ) -> list[Doc]:
        sorting = ", ".join(" ".join(one) for one in order) or False
        numbers = self.call(model, "search", self._domain(model, domain), 0, limit or False, sorting, context=_INACTIVE)
        return self._read(model, found_of(numbers, int, model), paths)

    def _read(self, model: str, numbers: Sequence[int], paths: Iterable[str]) -> list[Doc]:
        """Records with their related ones nested. Raises NotPermitted where one of them may not be seen: it would be missing."""
        known, rest = self.fields(model), _heads(paths)
        names = [name for name in rest if name not in (EXTERNAL, "id")]
        for name in names:
            if name not in known:
                raise ConfigurationError(f"{model} has no field {name!r}.")
        found: list[Doc] = [] if names else [{"id": number} for number in numbers]
        for some in _parts(numbers) if names else ():
            found += found_of(self.call(model, "read", some, names, "", context=_INACTIVE), dict, model)
        if EXTERNAL in rest:
            external = self._external_ids(model, [row["id"] for row in found])
            for row in found:
                row[EXTERNAL] = external.get(row["id"])
        for name in names:
            self._related(found, name, known[name], rest[name])
        return found

    def _related(self, found: Sequence[Doc], name: str, field: Field, paths: Sequence[str]) -> None:
        """Odoo says false where it has nothing."""
        for row in found:
            row[name] = None if row[name] is False and field.type != "boolean" else row[name]
        if not paths or field.relation is None:
            return
        listed = field.type != "many2one"
        wanted = dict.fromkeys(number for row in found for number in (row[name] if listed else [row[name]]) if number)
        there = {one["id"]: one for one in self._read(field.relation, list(wanted), paths)}
        if missing := wanted.keys() - there.keys():
            raise RetryLater(f"{field.relation} {min(missing)} went away while it was read.")
        for row in found:
            row[name] = [there[number] for number in row[name]] if listed else there.get(row[name])

    def create(self, model: str, values: Mapping[str, Any], beside: Sequence[Mapping[str, Any]] = ()) -> int:
        return self.create_many(model, [values, *beside])[0]

    def create_many(self, model: str, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Several records in one transaction. Where they have external ids, those that are there already are given back as they
        are."""
        if any(EXTERNAL in row for row in rows):
            return self._load(model, rows)
        made = self.call(model, "create", [self._values(model, row) for row in rows], writes=True)
        return made_of(made, len(rows), model)

    def write(self, model: str, ids: Sequence[int], values: Mapping[str, Any]) -> None:
        self.call(model, "write", list(ids), self._values(model, values), writes=True)

    def delete(self, model: str, ids: Sequence[int]) -> None:
        self.call(model, "unlink", list(ids), writes=True)

    def press(self, model: str, button: str, ids: Sequence[int]) -> None:
        self.call(model, button, list(ids), writes=True)

    # -- searches in Odoo's form

    def _domain(self, model: str, conditions: Sequence[Any], operator: str = "&") -> list[Any]:
        """Conditions that stand together, in prefix notation."""
        parts: list[list[Any]] = []
        for one in conditions:
            if one and isinstance(one[0], str) and one[0] not in ("AND", "OR"):
                parts.append([self._condition(model, *one)])
            elif one:
                clause = list(one[1:]) if isinstance(one[0], str) else list(one)
                parts.append(self._domain(model, clause, "|" if one[0] == "OR" else "&"))
        parts = [part for part in parts if part]
        return [operator] * (len(parts) - 1) + [term for part in parts for term in part]

    def _condition(self, model: str, path: str, operator: str, value: Any) -> list[Any]:
        if path.rpartition(".")[2] == EXTERNAL:
            owner = path.removesuffix(EXTERNAL)
            numbers = self._named(self._model(model, owner.split(".")[:-1]), operator, value)
            return [f"{owner}id", "in", numbers]
        if isinstance(value, datetime):
            # Shown to the second, kept to the microsecond: what shows as this second is within it.
            return [path, operator, f"{value:%Y-%m-%d %H:%M:%S}" + (".999999" if operator == "<=" else "")]
        return [path, operator, False if value is None else value]

    def _model(self, model: str, path: Sequence[str]) -> str:
        for name in path:
            field = self.fields(model).get(name)
            if field is None or field.relation is None:
                raise ConfigurationError(f"{model} has no field {name!r} that leads to another model.")
            model = field.relation
        return model

    # -- external ids

    def _named(self, model: str, operator: str, value: Any) -> list[int]:
        """Numbers of the records whose external ids fit."""
        known = _escaped(value) if isinstance(value, str) else [_escaped(one) for one in value]
        domain = [["module", "=", MODULE], ["model", "=", model], ["name", operator, known]]
        return [row["res_id"] for row in self.call("ir.model.data", "search_read", domain, ["res_id"])]

    def _external_ids(self, model: str, numbers: Sequence[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for some in _parts(numbers):
            domain = [["module", "=", MODULE], ["model", "=", model], ["res_id", "in", some]]
            rows = self.call("ir.model.data", "search_read", domain, ["res_id", "name"])
            found |= {row["res_id"]: _unescaped(row["name"]) for row in rows}
        return found

    def _load(self, model: str, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        table = [cells for row in rows for cells in self._cells(model, row)]
        columns = list(dict.fromkeys(name for cells in table for name in cells))
        matrix = [[cells.get(name, "") for name in columns] for cells in table]
        answer = self.call(model, "load", columns, matrix, writes=True, context=_CREATE_ONCE)
        if isinstance(answer, dict) and answer.get("ids"):
            return made_of(answer["ids"], len(rows), model)
        if not isinstance(answer, dict) or not isinstance(answer.get("messages"), list):
            raise OutcomeUnknown(f"{model}: the ERP answered {str(answer)[:60]!r} to what was loaded.")
        message = next((one["message"] for one in answer["messages"] if one.get("type") == "error"), "no reason given")
        if _HIDDEN in message:
            message += ". Odoo says that instead of its reason, which stands in its log. Is the date up to a lock date?"
        found = _IN_IMPORT.match(message)
        raise self._told(found[1] if found else "", message[found.end() :] if found else message, True)

    def _cells(self, model: str, values: Mapping[str, Any]) -> Iterator[dict[str, str]]:
        """A record as rows of an import: the first has what is its own, each has one of the records that hang on it."""
        own: dict[str, str] = {}
        beside: list[list[dict[str, str]]] = []
        for name, value in values.items():
            if name == EXTERNAL:
                own["id"] = f"{MODULE}.{_escaped(value)}"
                continue
            field = self._field(model, name)
            if field.type == "one2many":
                rows = [cells for one in value for cells in self._cells(field.relation or "", one)]
                beside.append([{f"{name}/{key}": text for key, text in cells.items()} for cells in rows])
            elif field.relation and isinstance(value, list | tuple):
                own[f"{name}/.id"] = ",".join(map(str, value))
            else:
                own[f"{name}/.id" if field.relation else name] = _text(value)
        for parts in zip_longest([own], *beside, fillvalue={}):
            yield {key: text for part in parts for key, text in part.items()}

    # -- values

    def _field(self, model: str, name: str) -> Field:
        known = self.fields(model)
        if name not in known:
            raise ConfigurationError(f"{model} has no field {name!r}.")
        return known[name]

    def _values(self, model: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """As ``create`` and ``write`` want them: records that hang on it are made with it."""
        out: dict[str, Any] = {}
        for name, value in values.items():
            field = self._field(model, name)
            if field.type == "one2many":
                out[name] = [[0, 0, self._values(field.relation or "", one)] for one in value]
            elif isinstance(value, list | tuple):
                out[name] = [[6, 0, list(value)]]
            elif value is None:
                out[name] = False
            else:
                out[name] = f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value
        return out

    # -- calls

    def call(self, model: str, method: str, *args: Any, writes: bool = False, context: Mapping[str, Any] | None = None) -> Any:
        """A method of a model."""
        if not self._user:
            self._login()
        return self._execute(model, method, list(args), {"context": {**self._context, **(context or {})}}, writes)

    def _execute(self, model: str, method: str, args: list[Any], named: Mapping[str, Any], writes: bool = False) -> Any:
        address = self.wire.address
        return self._ask(
            "object", "execute_kw", [address.database, self._user, address.password, model, method, args, named], writes
        )

    def _login(self) -> None:
        address = self.wire.address
        user = self._ask("common", "authenticate", [address.database, address.login, address.password, {}])
        if not user:
            raise ConfigurationError(f"{address}: the ERP refuses this login or password.")
        self._user = int(user)
        # Names and messages of one language, times in UTC, and of several companies that of the integration's user.
        self._context = {"lang": "en_US", "tz": "UTC"}
        (row,) = self._execute("res.users", "read", [[self._user], ["company_id"], ""], {"context": self._context})
        self._context["allowed_company_ids"] = [row["company_id"]]

    def _ask(self, service: str, method: str, args: list[Any], writes: bool = False) -> Any:
        self._ids += 1
        parameters = {"service": service, "method": method, "args": args}
        body = {"jsonrpc": "2.0", "id": self._ids, "method": "call", "params": parameters}
        reply = self.wire.post(_PATH, body, writes=writes)
        if not isinstance(reply, dict):
            raise self._doubt(writes, f"{self.wire.address.base} answered {str(reply)[:100]!r}.")
        if (error := reply.get("error")) is None:
            return reply.get("result")  # a method that gives nothing has no result in its answer
        data = error.get("data") or {}
        raise self._told(
            str(data.get("name") or ""), str(data.get("message") or error.get("message") or "no reason given"), writes
        )

    def _told(self, name: str, message: str, writes: bool) -> Exception:
        """What an error means. The server has rolled back, except where it lost its database on the way."""
        message, address = message.strip(), self.wire.address
        if _BUSY.search(f"{name} {message}"):
            return RetryLater(f"The ERP is busy: {message}")
        if name.endswith("AccessDenied"):
            return ConfigurationError(f"{address}: the ERP refuses this login or password.")
        if name.endswith("AccessError"):
            return NotPermitted(f"{address}: the ERP does not allow this call: {message}")
        if _LOST.search(name):
            if f'database "{address.database}" does not exist' in message:
                return ConfigurationError(f"{address}: {message}")
            return self._doubt(writes, f"The ERP has lost its database: {message}")
        if name.startswith(("odoo.exceptions.", "psycopg2.")) or not name:
            return Refused(message)
        return Refused(f"The ERP failed: {message} ({name})")

    @staticmethod
    def _doubt(writes: bool, message: str) -> Exception:
        return OutcomeUnknown(message) if writes else RetryLater(message)


def _heads(paths: Iterable[str]) -> dict[str, list[str]]:
    """``order_line.name`` as ``order_line: [name]``."""
    found: dict[str, list[str]] = {}
    for path in paths:
        head, _, tail = path.partition(".")
        rest = found.setdefault(head, [])
        if tail:
            rest.append(tail)
    return found


def _text(value: Any) -> str:
    """A cell of an import."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return format(value, "f")
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)


def _parts(numbers: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), _IDS):
        yield list(numbers[start : start + _IDS])


def _escaped(text: str) -> str:
    """A point would part the module from the name."""
    return text.replace("~", "~0").replace(".", "~1")


def _unescaped(text: str) -> str:
    return text.replace("~1", ".").replace("~0", "~")
