"""A stand-in for Acumatica's contract-based REST API, after its public description: not the vendor's product.

Strict where the product is, and a little more: a session is needed, unknown fields, parameters and actions are refused, a page
has at most :attr:`Acumatica.largest` records whatever is asked for, a bill gets its number from the server (so that sending one
twice makes two), actions take a while (202 and a place to ask).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx

from tests.unit.erp.rest.standin import Filter, Standin, Wrong, body_of

ENDPOINT = "/entity/ProcoreSync/26.200.001"
_LINE = {
    "LineNbr", "LineDescription", "Project", "Task", "CostCode", "InventoryID", "OrderQty", "UnitCost", "UOM", "ManualCost",
    "ExtendedCost", "Completed", "Closed",
}  # fmt: skip
_ORDER = {
    "VendorID", "Branch", "Project", "Description", "Date", "CurrencyID", "ProcoreMarker", "Hold", "Status", "LineTotal",
    "LastModifiedDateTime",
}  # fmt: skip
FIELDS: dict[str, set[str]] = {
    "Vendor": {"VendorID", "VendorName", "Status", "TaxRegistrationID", "Terms", "MainContact", "LastModifiedDateTime"},
    "Project": {"ProjectID", "Description", "Status", "Customer", "ProjectProperties", "LastModifiedDateTime"},
    "ProjectTask": {"ProjectID", "ProjectTaskID", "Description", "Status"},
    "NonStockItem": {"InventoryID", "Description", "ItemClass", "ItemStatus", "LastModified"},
    "ProjectBudget": {
        "ProjectID", "ProjectTaskID", "CostCode", "InventoryID", "AccountGroup", "Description", "Type", "OriginalBudgetedAmount",
        "LastModifiedDateTime",
    },
    "Subcontract": _ORDER | {"SubcontractNbr", "ApplyRetainage", "RetainagePct", "SubcontractTotal", "Details"},
    "PurchaseOrder": _ORDER | {"Type", "OrderNbr", "OrderTotal", "Details"},
    "Bill": {
        "Type", "ReferenceNbr", "Vendor", "VendorRef", "BranchID", "Project", "CommitmentNbr", "Sequence", "Date", "CurrencyID",
        "ApprovedForPayment", "RetainageTotal", "RetainageReleased", "TaxTotal", "Amount", "Hold", "Status", "ProcoreMarker",
        "Details", "LastModifiedDateTime",
    },
}  # fmt: skip
LINES = {
    "Subcontract": _LINE,
    "PurchaseOrder": _LINE,
    "Bill": {
        "POOrderNbr", "POLine", "Project", "ProjectTask", "CostCode", "InventoryID", "ExtendedCost", "RetainageAmount", "Qty",
    },
}  # fmt: skip
KEYS = {
    "Vendor": "VendorID", "Project": "ProjectID", "ProjectTask": "ProjectTaskID", "NonStockItem": "InventoryID",
    "ProjectBudget": "CostCode", "Subcontract": "SubcontractNbr", "PurchaseOrder": "OrderNbr", "Bill": "ReferenceNbr",
}  # fmt: skip
ACTIONS = {
    ("Subcontract", "ReleaseFromHold"), ("PurchaseOrder", "ReleaseFromHold"), ("Subcontract", "CancelOrder"),
    ("PurchaseOrder", "CancelOrder"), ("Bill", "ReleaseBill"),
}  # fmt: skip
Doc = dict[str, Any]


class Acumatica(Standin):
    login, password = "sync", "p@ss w/rd"

    def __init__(self, largest: int = 3, licences: int = 2) -> None:
        super().__init__()
        self.largest, self.licences = largest, licences
        self.records: dict[str, list[Doc]] = {name: [] for name in FIELDS}
        self.sessions: set[str] = set()
        self.running: dict[str, int] = {}
        """Operations -> how often they say 202 yet."""
        self.slow = 1
        self.rules = True
        for vendor, status in (("V1", "Active"), ("V2", "On Hold")):
            self.put("Vendor", VendorID=vendor, VendorName=f"Vendor {vendor}", Status=status)
        for job in ("25-104", "25-105"):
            self.put("Project", ProjectID=job, Description=f"Job {job}", Status="Active")
            self.put("ProjectTask", ProjectID=job, ProjectTaskID="01", Description="Building", Status="Active")
            for code in ("03-1000", "03-2000"):
                self.put(
                    "ProjectBudget", ProjectID=job, ProjectTaskID="01", CostCode=code, InventoryID="SUBCONTRACT", Type="Expense",
                    Description=code,
                )  # fmt: skip
        self.put("NonStockItem", InventoryID="SUBCONTRACT", Description="Subcontract", ItemClass="COSTTYPE", ItemStatus="Active")

    def put(self, entity: str, **values: Any) -> Doc:
        """What people entered."""
        record = {"id": str(uuid.uuid4()), **values, "LastModifiedDateTime": self.stamp}
        self.records[entity].append(record)
        return record

    # -- requests

    def wrong(self, status: int, message: str, code: str = "PX.Data.PXException") -> Wrong:
        return Wrong(status, {"message": "An error has occurred.", "exceptionMessage": message, "exceptionType": code})

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/site")
        if path == "/entity/auth/login":
            return self._login(body_of(request))
        session = request.headers.get("Cookie", "").removeprefix("ASP.NET_SessionId=")
        if session not in self.sessions:
            raise Wrong(401, {"message": "You are not logged in."})
        if path == "/entity/auth/logout":
            self.sessions.discard(session)
            return self._reply(204)
        if not path.startswith(ENDPOINT):
            raise self.wrong(404, f"There is no endpoint at {path}.")
        entity, *rest = path.removeprefix(f"{ENDPOINT}/").split("/")
        if entity not in FIELDS:
            raise self.wrong(404, f"Entity {entity} is not in the endpoint.")
        if rest[1:2] == ["status"]:
            return self._status(rest[2])
        if request.method == "GET" and not rest:
            return self._list(entity, dict(request.url.params))
        if request.method == "PUT" and not rest:
            return self._put(entity, request)
        if request.method == "POST" and (entity, *rest) in ACTIONS:
            return self._act(entity, rest[0], body_of(request))
        raise self.wrong(406 if request.method == "POST" else 404, f"{request.method} {path} is not there.")

    def _login(self, body: Mapping[str, Any]) -> httpx.Response:
        if unknown := set(body) - {"name", "password", "tenant", "branch", "locale"}:
            raise self.wrong(400, f"unknown {unknown}")
        if (body.get("name"), body.get("password")) != (self.login, self.password):
            raise self.wrong(401, "Invalid credentials. Please try again.")
        if len(self.sessions) >= self.licences:
            raise self.wrong(429, "API Login Limit")
        session = uuid.uuid4().hex
        self.sessions.add(session)
        return self._reply(204, headers={"Set-Cookie": f"ASP.NET_SessionId={session}; path=/"})

    def _list(self, entity: str, query: dict[str, str]) -> httpx.Response:
        top, skip = int(query.pop("$top", self.largest)), int(query.pop("$skip", 0))
        expand, where = query.pop("$expand", ""), query.pop("$filter", "")
        if query:
            raise self.wrong(400, f"unknown parameters {sorted(query)}")
        found = list(self.records[entity])
        if where:
            try:
                test = Filter(where, lambda one, name: one.get(name), lambda name: name in FIELDS[entity] - {"Details"}).test
            except (ValueError, KeyError) as error:
                raise self.wrong(400, f"The filter is wrong: {error}") from error
            found = [one for one in found if test(one)]
        keys = [name for name in ("ProjectID", "ProjectTaskID", KEYS[entity]) if name in FIELDS[entity]]
        found.sort(key=lambda one: [str(one.get(name)) for name in keys])
        end = skip + min(top, self.largest)
        return self._reply(200, [self._shown(one, expand) for one in found[skip:end]])

    @staticmethod
    def _shown(record: Doc, expand: str) -> Doc:
        out: Doc = {"id": record["id"], "rowNumber": 1, "note": {"value": ""}}
        for name, value in record.items():
            if name == "Details":
                if "Details" in expand:
                    out[name] = [{key: {"value": one} for key, one in line.items()} for line in value]
            elif name != "id":
                out[name] = {} if value is None else {"value": value}
        return out

    def _put(self, entity: str, request: httpx.Request) -> httpx.Response:
        body = body_of(request)
        if unknown := set(body) - FIELDS[entity] - {"id", "note"}:
            raise self.wrong(422, f"unknown fields {sorted(unknown)}")
        if entity not in LINES:
            raise self.wrong(422, "is set up by people here")
        values: Doc = {}
        for name, wrapped in body.items():
            if name == "id":
                if not isinstance(wrapped, str):
                    raise self.wrong(400, "id is a GUID")
            elif name == "Details":
                values[name] = [self._line(entity, index, line) for index, line in enumerate(wrapped, start=1)]
            elif not isinstance(wrapped, dict) or set(wrapped) - {"value"}:
                raise self.wrong(400, f"{name} has no value object")
            else:
                values[name] = wrapped.get("value")
        there = self._there(entity, body.get("id"), values)
        if there is not None and request.headers.get("If-None-Match") == "*":
            raise self.wrong(412, f"{entity} {there[KEYS[entity]]} is there already.")
        if "id" in body and there is None:
            raise self.wrong(404, "There is no such record.")
        self._judge(entity, values, body)
        if there is None:
            there = self._new(entity, values)
            self.records[entity].append(there)
        else:
            if there["Status"] in ("Closed", "Canceled"):
                raise self.wrong(422, f"{there[KEYS[entity]]} is {there['Status']}.")
            there |= values
        there["LastModifiedDateTime"] = self.stamp
        return self._reply(200, self._shown(there, request.url.params.get("$expand", "")))

    def _line(self, entity: str, number: int, line: Mapping[str, Any]) -> Doc:
        if unknown := set(line) - LINES[entity]:
            raise self.wrong(422, f"unknown fields of a line {sorted(unknown)}")
        return {"LineNbr": number} | {name: wrapped.get("value") for name, wrapped in line.items()}

    def _there(self, entity: str, ident: str | None, values: Doc) -> Doc | None:
        key = values.get(KEYS[entity])
        return next((one for one in self.records[entity] if one["id"] == ident or (key and one[KEYS[entity]] == key)), None)

    def _new(self, entity: str, values: Doc) -> Doc:
        total = sum((line["ExtendedCost"] for line in values.get("Details", ())), Decimal(0))
        values.setdefault("Details", [])
        if entity == "Bill":
            values["ReferenceNbr"] = f"{len(self.records['Bill']) + 1:06d}"
            values["Amount"] = total - (values.get("RetainageTotal") or 0)
        else:
            values["SubcontractTotal" if entity == "Subcontract" else "OrderTotal"] = total
        status = "Balanced" if entity == "Bill" else "On Hold"
        return {"id": str(uuid.uuid4()), "CurrencyID": "USD", **values, "Status": status}

    def _judge(self, entity: str, values: Doc, body: Doc) -> None:
        """Field by field, as it answers: the document with an ``error`` beside the value that is refused."""
        vendor = "Vendor" if entity == "Bill" else "VendorID"
        known = {one["VendorID"]: one["Status"] for one in self.records["Vendor"]}
        if vendor in values and values[vendor] not in known:
            raise Wrong(422, body | {vendor: {"value": values[vendor], "error": f"'{vendor}' cannot be found in the system."}})
        if vendor in values and known[values[vendor]] == "On Hold":
            raise Wrong(422, body | {vendor: {"value": values[vendor], "error": "The vendor status is 'On Hold'."}})
        if entity == "Bill" and any(
            (one["Vendor"], one["VendorRef"]) == (values["Vendor"], values["VendorRef"])
            for one in self.records["Bill"]
            if self.rules
        ):
            raise Wrong(
                422,
                body | {"VendorRef": {"value": values["VendorRef"], "error": "Document with this Vendor Ref. already exists."}},
            )

    def _act(self, entity: str, action: str, body: Mapping[str, Any]) -> httpx.Response:
        if set(body) - {"entity", "parameters"} or not isinstance(body.get("entity", {}).get("id"), str):
            raise self.wrong(400, "an action is sent with its entity")
        record = next((one for one in self.records[entity] if one["id"] == body["entity"]["id"]), None)
        if record is None:
            raise self.wrong(404, "There is no such record.")
        before, after = {
            "ReleaseFromHold": (("On Hold",), "Open"),
            "CancelOrder": (("On Hold", "Open"), "Canceled"),
            "ReleaseBill": (("Balanced",), "Open"),
        }[action]
        if record["Status"] not in before:
            raise self.wrong(422, f"The button {action} is disabled.")
        record["Status"], record["LastModifiedDateTime"] = after, self.stamp
        if not self.slow:
            return self._reply(204)
        operation = uuid.uuid4().hex
        self.running[operation] = self.slow
        return self._reply(202, headers={"Location": f"/site{ENDPOINT}/{entity}/{action}/status/{operation}"})

    def _status(self, operation: str) -> httpx.Response:
        if operation not in self.running:
            raise self.wrong(404, "There is no such operation.")
        self.running[operation] -= 1
        return self._reply(202 if self.running[operation] >= 0 else 204)
