"""A stand-in of Odoo's JSON-RPC door, for what the preset and the mapping say to it.

Not Odoo: records are rows in memory, of fields as a real Odoo 14 described them (``odoo_fields.json``), and only the calls that
we make are known. It is strict: an unknown model, field, operator, method or cell is an error, as are a call without its context
and a read of every field. What a real Odoo does with the same calls is shown by ``make accept-odoo``.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from include.erp.json.numbers import dumps
from include.financials.exact import loads

FIELDS: dict[str, dict[str, list[Any]]] = json.loads(Path(__file__).with_name("odoo_fields.json").read_text())
FIELDS["ir.model.data"] = {
    "module": ["char", True, None], "name": ["char", True, None], "model": ["char", True, None],
    "res_id": ["many2one_reference", False, None],
}  # fmt: skip
ADDRESS = "http://procore:secret@127.0.0.1/erp"
INVERSE = {
    ("purchase.order", "order_line"): "order_id",
    ("account.move", "invoice_line_ids"): "move_id",
    ("account.move", "line_ids"): "move_id",
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "purchase.order": {"state": "draft", "date_order": "2026-07-01 12:00:00"},
    "account.move": {"state": "draft", "payment_state": "not_paid", "company_id": 1, "amount_tax": Decimal(0)},
}
START = datetime(2026, 9, 30, 12, 0)  # noqa: DTZ001 - as Odoo keeps times


class Said(Exception):
    """An exception of the server's, by the name under which Odoo tells it."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def user_error(message: str) -> Said:
    return Said("odoo.exceptions.UserError", message)


class Door:
    """:param lost: of the n-th call that writes the answer is lost, after it was carried out."""

    def __init__(self, lost: int | None = None) -> None:
        self.lost, self.writes = lost, 0
        self.asked: list[tuple[str, str]] = []
        self.fails: dict[str, Said] = {}
        """By method: what it answers."""
        self.rows: dict[str, dict[int, dict[str, Any]]] = {model: {} for model in FIELDS}
        self.ticks = 0
        fill(self)

    # -- the wire

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/jsonrpc" and request.headers["Content-Type"] == "application/json"
        body = loads(request.content)
        assert (body["jsonrpc"], body["method"]) == ("2.0", "call")
        given = body["params"]
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": body["id"]}
        before = copy.deepcopy(self.rows)
        try:
            result = self._served(given["service"], given["method"], given["args"])
        except Said as said:
            self.rows = before
            answer["error"] = {"code": 200, "message": "Odoo Server Error", "data": {"name": said.name, "message": str(said)}}
        else:
            if self.rows != before:
                self.writes += 1
                if self.writes == self.lost:
                    raise httpx.ReadTimeout("cut off", request=request)
            answer |= {} if result is None else {"result": result}
        stamp = "Wed, 30 Sep 2026 12:00:00 GMT"
        return httpx.Response(200, content=dumps(answer), headers={"Date": stamp})

    def _served(self, service: str, method: str, args: Sequence[Any]) -> Any:
        if (service, method) == ("common", "version"):
            return {"server_version": "14.0"}
        if (service, method) == ("common", "authenticate"):
            return 2 if args[:3] == ["erp", "procore", "secret"] else False
        assert (service, method) == ("object", "execute_kw"), f"{service}.{method}"
        database, user, password, model, name, values, options = args
        if (database, user, password) != ("erp", 2, "secret"):
            raise Said("odoo.exceptions.AccessDenied", "Access Denied")
        context = options.pop("context")
        assert not options and (context["lang"], context["tz"]) == ("en_US", "UTC")
        assert context.get("allowed_company_ids") == [1] or (model, name) == ("res.users", "read")
        self.asked.append((model, name))
        if name in self.fails:
            raise self.fails[name]
        if model not in FIELDS:
            raise Said("builtins.KeyError", model)
        return getattr(self, f"_{name}", lambda *_, **__: _unknown(model, name))(model, *values, context=context)

    # -- reading

    def _fields_get(self, model: str, names: list[str], attributes: list[str], *, context: Any) -> Any:
        assert names == []
        return {
            name: {"type": kind, "required": required, **({"relation": relation} if relation else {})}
            for name, (kind, required, relation) in FIELDS[model].items()
        }

    def _context_get(self, model: str, *, context: Any) -> Any:
        return {"lang": "en_US"}

    def _search(self, model: str, domain: list[Any], offset: int, limit: Any, order: Any, *, context: Any) -> Any:
        assert context["active_test"] is False and offset == 0 and order in (False, "id ASC")
        return [number for number in sorted(self.rows[model]) if self._fits(model, number, domain)][: limit or None]

    def _read(self, model: str, numbers: list[int], names: list[str], load: str = "", *, context: Any) -> Any:
        assert names, "a read of no field is one of every field"
        return [{"id": number} | {name: self._shown(model, number, name) for name in names} for number in numbers]

    def _search_read(self, model: str, domain: list[Any], names: list[str], *, context: Any) -> Any:
        found = [number for number in sorted(self.rows[model]) if self._fits(model, number, domain)]
        return self._read(model, found, names, context=context) if found else []

    def _shown(self, model: str, number: int, name: str) -> Any:
        kind = self._field(model, name)[0]
        if number not in self.rows[model]:
            raise Said("odoo.exceptions.AccessError", f"You are not allowed to see {model} {number}")
        value = self._value(model, number, name)
        return value if value is not None or kind == "boolean" else False

    def _field(self, model: str, name: str) -> list[Any]:
        if name not in FIELDS[model]:
            raise Said("builtins.ValueError", f"Invalid field {name!r} on model {model!r}")
        return FIELDS[model][name]

    def _value(self, model: str, number: int, name: str) -> Any:
        kind, _, relation = self._field(model, name)
        if kind == "one2many":
            owner = INVERSE[model, name]
            return [n for n, row in self.rows[relation].items() if row.get(owner) == number]
        value = self.rows[model][number].get(name)
        return list(value or ()) if kind == "many2many" else value

    def _fits(self, model: str, number: int, domain: Sequence[Any]) -> bool:
        """``domain`` in prefix notation; terms without an operator stand together."""
        terms = list(domain)

        def one() -> bool:
            term = terms.pop(0)
            if term in ("&", "|"):
                first, second = one(), one()
                return (first and second) if term == "&" else (first or second)
            path, operator, wanted = term
            return _compared(self._along(model, number, path.split(".")), operator, wanted)

        found = True
        while terms:
            found = one() and found
        return found

    def _along(self, model: str, number: int, path: Sequence[str]) -> list[Any]:
        """Every value at the path."""
        if path == ["id"]:
            return [number]
        kind, _, relation = self._field(model, path[0])
        value = self._value(model, number, path[0])
        values = value if kind in ("one2many", "many2many") else [value]
        if len(path) == 1:
            return list(values) or [None]
        return [found for one in values if one for found in self._along(relation, one, path[1:])]

    # -- writing

    def add(self, model: str, /, **values: Any) -> int:
        """A record, as people enter it; lists of mappings are records that hang on it."""
        number = max(self.rows[model], default=0) + 1
        row = self.rows[model][number] = {**DEFAULTS.get(model, {})}
        for name, value in values.items():
            kind, _, relation = self._field(model, name)
            if kind == "one2many":
                for line in value:
                    self.add(relation, **line, **{INVERSE[model, name]: number})
            else:
                row[name] = value
        self._computed(model, row)
        return number

    def _computed(self, model: str, row: dict[str, Any]) -> None:
        if "write_date" in FIELDS[model]:
            self.ticks += 1
            row["write_date"] = f"{START + timedelta(seconds=self.ticks):%Y-%m-%d %H:%M:%S}"
        if model == "purchase.order.line":
            if not row.get("display_type") and not all(row.get(name) for name in ("product_id", "product_uom", "date_planned")):
                raise Said("psycopg2.errors.CheckViolation", "purchase_order_line_accountable_required_fields")
            row["price_subtotal"] = _cents((row.get("product_qty") or 0) * (row.get("price_unit") or 0))
        if model == "account.move.line" and "quantity" in row:
            row["price_subtotal"] = _cents(row["quantity"] * row["price_unit"])

    def _load(self, model: str, columns: list[str], table: list[list[str]], *, context: Any) -> Any:
        assert (context["mode"], context["noupdate"], context["module"]) == ("update", True, "procore_erp_sync")
        before, numbers = copy.deepcopy(self.rows), []
        try:
            for own, hanging in _records([dict(zip(columns, cells, strict=True)) for cells in table]):
                numbers.append(self._loaded(model, own, hanging))
        except Said as said:
            self.rows = before
            told = f"Unknown error during import: <class '{said.name}'>: {said}"
            return {"ids": False, "messages": [{"type": "error", "message": told}], "nextrow": 0}
        return {"ids": numbers, "messages": [], "nextrow": 0}

    def _loaded(self, model: str, own: Mapping[str, str], hanging: Mapping[str, list[Mapping[str, str]]]) -> int:
        module, _, name = own["id"].partition(".")
        assert module == "procore_erp_sync" and "." not in name
        for row in self.rows["ir.model.data"].values():
            if (row["module"], row["name"]) == (module, name):
                return int(row["res_id"])
        values = self._typed(model, {key: text for key, text in own.items() if key != "id"})
        for field, rows in hanging.items():
            relation = self._field(model, field)[2]
            values[field] = [self._typed(relation, row) for row in rows]
        number = self.add(model, **values)
        self.add("ir.model.data", module=module, name=name, model=model, res_id=number)
        return number

    def _typed(self, model: str, cells: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for column, text in cells.items():
            assert isinstance(text, str), f"{column}: a cell of an import is text"
            name, _, by = column.partition("/")
            kind, _, relation = self._field(model, name)
            assert (by == ".id") == bool(relation), column
            numbers = [int(one) for one in text.split(",") if one] if relation else []
            if missing := [one for one in numbers if one not in self.rows[relation]]:
                raise user_error(f"No matching record found for database id '{missing[0]}'")
            found[name] = (numbers if kind == "many2many" else numbers[0]) if numbers else (TYPES[kind](text) if text else None)
        return found

    def _unlink(self, model: str, numbers: list[int], *, context: Any) -> bool:
        for number in numbers:
            row = self.rows[model][number]
            if row.get("state") not in (None, "draft", "cancel") or (model == "purchase.order" and row["state"] != "cancel"):
                raise user_error("In order to delete it, you must cancel it first.")
            for (owner, name), inverse in INVERSE.items():
                if owner == model:
                    line = self.rows[FIELDS[model][name][2]]
                    for one in [n for n, found in line.items() if found.get(inverse) == number]:
                        del line[one]
            del self.rows[model][number]
            names = self.rows["ir.model.data"]
            for one in [n for n, found in names.items() if (found["model"], found["res_id"]) == (model, number)]:
                del names[one]
        return True

    # -- buttons

    def _turn(self, model: str, numbers: list[int], of: Sequence[str], to: str) -> None:
        for number in numbers:
            row = self.rows[model][number]
            if row["state"] in of:
                row["state"] = to
                self._computed(model, row)

    def _button_confirm(self, model: str, numbers: list[int], *, context: Any) -> bool:
        self._turn(model, numbers, ("draft", "sent"), "purchase")
        return True

    def _button_cancel(self, model: str, numbers: list[int], *, context: Any) -> None:
        self._turn(model, numbers, ("draft", "purchase") if model == "purchase.order" else ("draft",), "cancel")

    def _button_draft(self, model: str, numbers: list[int], *, context: Any) -> None:
        self._turn(model, numbers, ("posted", "cancel"), "draft")

    def _action_post(self, model: str, numbers: list[int], *, context: Any) -> bool:
        locked = self.rows["res.company"][1]["fiscalyear_lock_date"]
        for number in numbers:
            if locked and self.rows[model][number]["date"] <= locked:
                raise user_error(f"You cannot add/modify entries prior to and inclusive of the lock date {locked}.")
        self._turn(model, numbers, ("draft",), "posted")
        return False


def _unknown(model: str, name: str) -> Any:
    raise Said("builtins.AttributeError", f"type object {model!r} has no attribute {name!r}")


def _compared(values: Sequence[Any], operator: str, wanted: Any) -> bool:
    if operator == "!=":
        return not _compared(values, "=", wanted) if wanted is not False else any(values)
    tests: dict[str, Callable[[Any], bool]] = {
        "=": lambda one: one == wanted or (wanted is False and not one),
        "in": lambda one: one in wanted,
        ">": lambda one: one is not None and one > wanted,
        ">=": lambda one: one is not None and one >= wanted,
        "<=": lambda one: one is not None and one <= wanted,
        "like": lambda one: bool(one) and wanted in one,
        "=like": lambda one: bool(one) and re.fullmatch(_pattern(wanted), one, re.S) is not None,
    }
    return any(map(tests[operator], values))


def _pattern(like: str) -> str:
    """SQL's pattern as a regular expression."""
    parts = re.findall(r"\\.|.", like, re.S)
    return "".join({"%": ".*", "_": "."}.get(part, re.escape(part[-1])) for part in parts)


def _cents(amount: Decimal) -> Decimal:
    return Decimal(amount).quantize(Decimal("0.01"))


TYPES: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("char", "text", "selection", "date", "datetime"), str),
    **dict.fromkeys(("float", "monetary"), Decimal),
    "integer": int,
    "boolean": lambda text: {"1": True, "0": False}[text],
}


def _records(rows: Sequence[Mapping[str, str]]) -> Iterator[tuple[dict[str, str], dict[str, list[Mapping[str, str]]]]]:
    """Rows of an import as records: one that has none of its own cells belongs to the one before it."""
    found: list[tuple[dict[str, str], dict[str, list[Mapping[str, str]]]]] = []
    for row in rows:
        own = {name: text for name, text in row.items() if "/" not in name or (name.endswith("/.id") and name.count("/") == 1)}
        lines: dict[str, dict[str, str]] = {}
        for name, text in row.items():
            if name not in own:
                head, _, tail = name.partition("/")
                lines.setdefault(head, {})[tail] = text
        if any(own.values()):
            found.append((own, {}))
        for head, cells in lines.items():
            if any(cells.values()):
                found[-1][1].setdefault(head, []).append(cells)
    yield from found


def fill(door: Door) -> None:
    """One job with two cost codes, a vendor, products for cost types, one tax."""
    dollars = door.add("res.currency", name="USD")
    door.add("res.company", currency_id=dollars, fiscalyear_lock_date="2026-06-30")
    door.rows["res.users"][2] = {"company_id": 1}
    door.add("res.partner", ref="V-1001", name="Stahl", supplier_rank=1, active=True, purchase_warn="no-message")
    top = door.add("account.analytic.group", name="Jobs")
    job = door.add("account.analytic.group", name="25-104", parent_id=top)
    for code in ("25-104//05", "25-104//05-1200", "25-104//31-1000"):
        door.add("account.analytic.account", code=code, name=f"Code {code}", group_id=job, active=True)
    for code, name in (("1", "Labor"), ("3", "Subcontract")):
        door.add("product.product", default_code=code, name=name, active=True, purchase_ok=True, type="service")
    category = door.add("uom.category", name="Job cost")
    for unit in ("ls", "lf"):
        door.add("uom.uom", name=unit, category_id=category)
    door.add("account.tax", name="OH725", type_tax_use="purchase", amount_type="percent", amount=Decimal("7.25"), active=True)
    for code in ("215000", "510000", "519000"):
        door.add("account.account", code=code)
    door.add("account.journal", code="BILL")
