"""A stand-in for QuickBooks Online's Accounting API, after public descriptions of it: not the vendor's product.

Strict where the product is said to be: each exchange of a refresh token gives another one and ends the one before last;
questions are of one list, joined by ``and`` alone, over the fields that may be asked for (a private note may not), at most
:attr:`largest` records; inactive records show only to who asks for them; a version that is not the last is refused. The same
``requestid`` again gives the answer of the first time; without one, two requests make two documents.
"""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import httpx

from tests.unit.erp.rest.standin import Standin, Wrong, body_of

REALM = "4620816365"
TOKENS = "/oauth2/v1/tokens/bearer"
Doc = dict[str, Any]
_COMMON = {"Id", "SyncToken", "MetaData"}
FIELDS = {
    "Vendor": _COMMON | {"DisplayName", "AcctNum", "Active", "BillAddr", "TermRef"},
    "Customer": _COMMON | {"DisplayName", "FullyQualifiedName", "Active", "Job", "ParentRef", "CurrencyRef"},
    "Item": _COMMON | {"Name", "Description", "Type", "Active"},
    "Purchase": _COMMON | {"DocNumber", "TxnDate", "TotalAmt", "Line", "CurrencyRef", "PrivateNote"},
    "PurchaseOrder": _COMMON | {
        "DocNumber", "VendorRef", "APAccountRef", "TxnDate", "CurrencyRef", "Memo", "PrivateNote", "Line", "POStatus", "TotalAmt",
    },
    "Bill": _COMMON | {
        "DocNumber", "VendorRef", "APAccountRef", "TxnDate", "CurrencyRef", "PrivateNote", "Line", "LinkedTxn", "TotalAmt",
        "Balance",
    },
}  # fmt: skip
ASKED = {"Id", "Active", "Job", "Type", "DocNumber", "DisplayName", "TxnDate", "MetaData.LastUpdatedTime", "MetaData.CreateTime"}
"""Fields that a question may name."""
WRITTEN = {"purchaseorder": "PurchaseOrder", "bill": "Bill"}
READ_ONLY = {"MetaData", "TotalAmt", "Balance", "POStatus"}
_DETAIL = {"ItemRef", "CustomerRef", "BillableStatus", "Qty", "UnitPrice"}
_SELECT = re.compile(
    r"select \* from (?P<list>\w+)(?: where (?P<where>.+?))?(?: orderby (?P<order>[\w.]+))? startposition (?P<at>\d+)"
    r" maxresults (?P<size>\d+)"
)
_CONDITION = re.compile(r"\s*([\w.]+)\s*(=|>=|<=|>|<|in)\s*('(?:[^'\\]|\\.)*'|true|false|\([^)]*\))\s*(and|$)")


class QuickBooks(Standin):
    client, secret = "app-id", "s3cret/+&"

    def __init__(self, largest: int = 3) -> None:
        super().__init__()
        self.largest = largest
        self.records: dict[str, list[Doc]] = {name: [] for name in FIELDS}
        self.refresh = ["first-refresh-token"]
        """The last one counts, and the one before it for a while."""
        self.access: set[str] = set()
        self.answered: dict[str, Doc] = {}
        self.count = 0
        for name, active in (("V1", True), ("V2", False)):
            self.put("Vendor", DisplayName=f"Vendor {name}", AcctNum=name, Active=active)
        self.put(
            "Customer", DisplayName="25-104", FullyQualifiedName="Owner:25-104", Active=True, Job=True, ParentRef={"value": "9"}
        )
        self.put("Customer", DisplayName="Owner", FullyQualifiedName="Owner", Active=True, Job=False)
        for code in ("03-1000", "03-2000"):
            self.put("Item", Name=code, Type="Service", Active=True)

    def put(self, entity: str, **values: Any) -> Doc:
        self.count += 1
        record = {"Id": str(self.count), "SyncToken": "0", **values}
        self.records[entity].append(record)
        record["MetaData"] = {"CreateTime": self.stamp, "LastUpdatedTime": self.stamp}
        return record

    def wrong(self, status: int, message: str, code: str = "2010") -> Wrong:
        kind = "AuthenticationFault" if status == 401 else "ValidationFault"
        error = {"Message": "A business validation error has occurred", "Detail": message, "code": code, "element": ""}
        return Wrong(status, {"Fault": {"Error": [error], "type": kind}, "time": self.stamp})

    # -- who asks

    def admit(self, request: httpx.Request) -> None:
        if request.url.path != TOKENS and request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.access:
            raise self.wrong(401, "Token expired", "3200")

    def _token(self, request: httpx.Request) -> httpx.Response:
        pair = base64.b64encode(f"{self.client}:{self.secret}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {pair}":
            raise Wrong(401, {"error": "invalid_client"})
        form = {name: value[0] for name, value in parse_qs(request.content.decode()).items()}
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") not in self.refresh[-2:]:
            raise Wrong(400, {"error": "invalid_grant", "error_description": "Incorrect or invalid refresh token"})
        self.refresh.append(uuid.uuid4().hex)
        access = uuid.uuid4().hex
        self.access.add(access)
        answer = {"token_type": "bearer", "expires_in": 3600, "access_token": access, "refresh_token": self.refresh[-1]}
        return self._reply(200, answer | {"x_refresh_token_expires_in": 8726400})

    # -- requests

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == TOKENS:
            return self._token(request)
        query = dict(request.url.params)
        if query.pop("minorversion", None) != "75":
            raise self.wrong(400, "minorversion is wanted")
        path = request.url.path.removeprefix(f"/v3/company/{REALM}/")
        if request.method == "GET" and path == f"companyinfo/{REALM}" and not query:
            return self._reply(200, {"CompanyInfo": {"CompanyName": "Contractor"}, "time": self.stamp})
        if request.method == "GET" and path == "query" and set(query) == {"query"}:
            return self._reply(200, {"QueryResponse": self._query(query["query"]), "time": self.stamp})
        if request.method == "POST" and path in WRITTEN and set(query) <= {"requestid"}:
            ident = query.get("requestid", uuid.uuid4().hex)
            if ident not in self.answered:
                self.answered[ident] = self._write(WRITTEN[path], body_of(request))
            return self._reply(200, self.answered[ident])
        raise self.wrong(400, f"{request.method} {path} {sorted(query)} is not supported", "500")

    def _query(self, text: str) -> Doc:
        found = _SELECT.fullmatch(text)
        if found is None or found["list"] not in FIELDS:
            raise self.wrong(400, f"Error parsing query: {text}", "4000")
        tests = list(self._tests(found["list"], found["where"] or ""))
        if "Active" in FIELDS[found["list"]] and "Active" not in (found["where"] or ""):
            tests.append(lambda one: one["Active"])
        rows = [one for one in self.records[found["list"]] if all(test(one) for test in tests)]
        if found["order"] != "Id" or int(found["at"]) < 1:
            raise self.wrong(400, "property is not sortable, or the position is not one", "4001")
        rows.sort(key=lambda one: int(one["Id"]))
        start, size = int(found["at"]) - 1, min(int(found["size"]), self.largest)
        part = rows[start : start + size]
        return {found["list"]: part, "startPosition": start + 1, "maxResults": len(part)} if part else {}

    def _tests(self, entity: str, where: str) -> Iterator[Callable[[Doc], bool]]:
        at = 0
        while at < len(where):
            found = _CONDITION.match(where, at)
            if found is None or found[1] not in ASKED or found[1].partition(".")[0] not in FIELDS[entity]:
                raise self.wrong(400, f"QueryValidationError at: {where[at:]}", "4001")
            yield _test(*found.groups()[:3])
            at = found.end()

    def _write(self, entity: str, body: Mapping[str, Any]) -> Doc:
        if unknown := set(body) - (FIELDS[entity] - READ_ONLY) - {"sparse"}:
            raise self.wrong(400, f"Property Name:{sorted(unknown)[0]} specified is unsupported or invalid")
        if "Id" in body:
            return {entity: self._changed(entity, body), "time": self.stamp}
        for name in ("VendorRef", "APAccountRef", "Line"):
            if not body.get(name):
                raise self.wrong(400, f"Required parameter {name} is missing in the request", "2020")
        vendor = next((one for one in self.records["Vendor"] if one["Id"] == body["VendorRef"].get("value")), None)
        if vendor is None or not vendor["Active"]:
            raise self.wrong(400, "Invalid Reference Id : Vendor is made inactive or not there", "2500")
        if entity == "Bill" and any(
            (one["VendorRef"], one["DocNumber"]) == (body["VendorRef"], body.get("DocNumber")) for one in self.records["Bill"]
        ):
            raise self.wrong(400, "Duplicate Document Number Error : DocNumber is used", "6140")
        orders = {one["Id"] for one in self.records["PurchaseOrder"]}
        for link in body.get("LinkedTxn", ()):
            if link.get("TxnType") != "PurchaseOrder" or link.get("TxnId") not in orders:
                raise self.wrong(400, "Invalid Reference Id : LinkedTxn", "2500")
        lines = [{"Id": str(n), "LineNum": n, **self._line(line)} for n, line in enumerate(body["Line"], start=1)]
        total = sum((line["Amount"] for line in lines), Decimal(0))
        state = {"POStatus": "Open"} if entity == "PurchaseOrder" else {"Balance": total}
        values = {"CurrencyRef": {"value": "USD"}, **body, "Line": lines, "TotalAmt": total, **state}
        return {entity: self.put(entity, **values), "time": self.stamp}

    def _line(self, line: Mapping[str, Any]) -> Mapping[str, Any]:
        detail = line.get("ItemBasedExpenseLineDetail", {})
        if set(line) - {"DetailType", "Amount", "Description", "ItemBasedExpenseLineDetail"} or set(detail) - _DETAIL:
            raise self.wrong(400, "Property of a line is unsupported")
        if not isinstance(line.get("Amount"), Decimal | int) or line["Amount"] != detail["Qty"] * detail["UnitPrice"]:
            raise self.wrong(400, "Amount calculation incorrect in the request", "6070")
        for name, entity in (("ItemRef", "Item"), ("CustomerRef", "Customer")):
            if detail.get(name, {}).get("value") not in {one["Id"] for one in self.records[entity]}:
                raise self.wrong(400, f"Invalid Reference Id : {entity} is not there", "2500")
        return line

    def _changed(self, entity: str, body: Mapping[str, Any]) -> Doc:
        record = next((one for one in self.records[entity] if one["Id"] == body["Id"]), None)
        if record is None:
            raise self.wrong(400, "Object Not Found", "610")
        if body.get("sparse") is not True:
            raise self.wrong(400, "a full update would clear what it does not name")
        if body.get("SyncToken") != record["SyncToken"]:
            raise self.wrong(400, "Stale Object Error : You and another were working on this at the same time", "5010")
        record |= {name: value for name, value in body.items() if name != "sparse"}
        self.touch(record)
        return record

    def touch(self, record: Doc) -> None:
        record["SyncToken"] = str(int(record["SyncToken"]) + 1)
        record["MetaData"]["LastUpdatedTime"] = self.stamp


def _test(name: str, operator: str, literal: str) -> Callable[[Doc], bool]:
    def value(one: Doc) -> Any:
        found: Any = one
        for part in name.split("."):
            found = found[part]
        return datetime.fromisoformat(found) if "Time" in name else found

    def read(text: str) -> Any:
        if text in ("true", "false"):
            return text == "true"
        plain = re.sub(r"\\(.)", r"\1", text[1:-1])
        return datetime.fromisoformat(plain) if "Time" in name else plain

    if operator == "in":
        wanted = [read(one.strip()) for one in literal[1:-1].split(",")]
        return lambda one: value(one) in wanted
    limit = read(literal)
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "=": lambda a, b: a == b, ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
        "<": lambda a, b: a < b,
    }  # fmt: skip
    return lambda one: compare[operator](value(one), limit)
