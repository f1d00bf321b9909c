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
    "ExtendedCost", "OriginalAmount", "Completed", "Closed",
}  # fmt: skip
_ORDER = {
    "VendorID", "Branch", "Project", "Description", "Date", "CurrencyID", "ProcoreMarker", "Hold", "Status", "LineTotal",
    "LastModifiedDateTime", "ApplyRetainage", "RetainagePct",
}  # fmt: skip
_BUSINESS = {"Status", "TaxRegistrationID", "Terms", "MainContact", "LastModifiedDateTime"}
FIELDS: dict[str, set[str]] = {
    "Vendor": _BUSINESS | {"VendorID", "VendorName"},
    "Customer": _BUSINESS | {"CustomerID", "CustomerName"},
    "Project": {"ProjectID", "Description", "Status", "Customer", "Branch", "ProjectProperties", "LastModifiedDateTime"},
    "ProjectTask": {"ProjectID", "ProjectTaskID", "Description", "Status", "Branch"},
    "NonStockItem": {"InventoryID", "Description", "ItemClass", "ItemStatus", "LastModified"},
    "ProjectBudget": {
        "ProjectID", "ProjectTaskID", "CostCode", "InventoryID", "AccountGroup", "Description", "Type", "OriginalBudgetedAmount",
        "Branch", "LastModifiedDateTime",
    },
    "ProjectTransaction": {
        "Module", "ReferenceNbr", "Description", "OriginalDocType", "OriginalDocNbr", "Status", "TotalAmount", "Details",
        "LastModifiedDateTime",
    },
    "Subcontract": _ORDER | {"SubcontractNbr", "SubcontractTotal", "Details"},
    "PurchaseOrder": _ORDER | {"Type", "OrderNbr", "OrderTotal", "Details"},
    "ChangeOrder": {
        "RefNbr", "Class", "ProjectID", "Branch", "ExternalRefNbr", "Description", "ChangeDate", "Status", "ProcoreMarker",
        "CommitmentsChangeTotal", "Commitments", "LastModifiedDateTime",
    },
    "Bill": {
        "Type", "ReferenceNbr", "Vendor", "VendorRef", "BranchID", "Project", "CommitmentNbr", "Sequence", "Date", "CurrencyID",
        "ApprovedForPayment", "RetainageTotal", "RetainageReleased", "TaxTotal", "Amount", "Hold", "Status", "ProcoreMarker",
        "Details", "LastModifiedDateTime",
    },
    "Check": {
        "Type", "ReferenceNbr", "PaymentRef", "PaymentMethod", "Vendor", "Branch", "ApplicationDate", "CurrencyID",
        "PaymentAmount", "Status", "History", "LastModifiedDateTime",
    },
}  # fmt: skip
DETAILS = {
    "Subcontract": "Details", "PurchaseOrder": "Details", "ChangeOrder": "Commitments", "Bill": "Details", "Check": "History",
    "ProjectTransaction": "Details",
}  # fmt: skip
"""The list that is shown where it is expanded."""
LINKED = {"Vendor": "MainContact", "Customer": "MainContact", "Project": "ProjectProperties"}
"""The same of a single record."""
LINES = {
    "Subcontract": _LINE,
    "PurchaseOrder": _LINE,
    "ChangeOrder": {
        "PONbr", "POType", "POLineNbr", "ChangedLine", "LineDescription", "ProjectTaskID", "CostCode", "InventoryID", "Qty",
        "UnitCost", "UOM", "LineAmount",
    },
    "Bill": {
        "POOrderNbr", "POLine", "ChangeOrderNbr", "ChangeOrderLine", "Project", "ProjectTask", "CostCode", "InventoryID",
        "ExtendedCost", "RetainageAmount", "Qty",
    },
}  # fmt: skip
KEYS = {
    "Vendor": "VendorID", "Customer": "CustomerID", "Project": "ProjectID", "ProjectTask": "ProjectTaskID",
    "NonStockItem": "InventoryID", "ProjectBudget": "CostCode", "Subcontract": "SubcontractNbr", "PurchaseOrder": "OrderNbr",
    "ChangeOrder": "RefNbr", "Bill": "ReferenceNbr", "Check": "ReferenceNbr", "ProjectTransaction": "ReferenceNbr",
}  # fmt: skip
NUMBERED = ("Bill", "ChangeOrder")
"""By the server."""
DECIMALS = {
    "OrderQty", "UnitCost", "ExtendedCost", "OriginalAmount", "RetainagePct", "RetainageTotal", "RetainageAmount", "LineAmount",
    "Qty",
}  # fmt: skip
INTEGERS = {"LineNbr", "POLine", "POLineNbr", "ChangedLine", "ChangeOrderLine", "Sequence"}
BOOLEANS = {"ApplyRetainage", "ManualCost", "ApprovedForPayment", "Hold"}
ORDERS = ("Subcontract", "PurchaseOrder")
ACTIONS = {
    "ReleaseFromHold": (("On Hold",), "Open"),
    "CancelOrder": (("On Hold", "Open"), "Canceled"),
    "ReleaseBill": (("Balanced",), "Open"),
    "RemoveChangeOrderFromHold": (("On Hold",), "Open"),
    "ReleaseChangeOrder": (("Open",), "Closed"),
}
"""From which status to which."""
OF = {
    "Subcontract": ("ReleaseFromHold", "CancelOrder"), "PurchaseOrder": ("ReleaseFromHold", "CancelOrder"),
    "ChangeOrder": ("RemoveChangeOrderFromHold", "ReleaseChangeOrder"), "Bill": ("ReleaseBill",),
}  # fmt: skip
Doc = dict[str, Any]


class Acumatica(Standin):
    login, password = "sync", "p@ss w/rd"

    def __init__(self, largest: int = 3, licences: int = 2, *, masters: bool = True) -> None:
        super().__init__()
        self.largest, self.licences = largest, licences
        self.records: dict[str, list[Doc]] = {name: [] for name in FIELDS}
        self.sessions: set[str] = set()
        self.running: dict[str, int] = {}
        """Operations -> how often they say 202 yet."""
        self.slow = 1
        self.rules = True
        if masters:
            self._masters()

    def _masters(self) -> None:
        for vendor, status in (("V1", "Active"), ("V2", "On Hold")):
            self.put("Vendor", VendorID=vendor, VendorName=f"Vendor {vendor}", Status=status)
        self.put(
            "Customer", CustomerID="C1", CustomerName="Customer C1", Status="Active", MainContact={"Address": {"City": "Elm"}}
        )
        for job in ("25-104", "25-105"):
            self.put("Project", ProjectID=job, Description=f"Job {job}", Status="Active", Branch="MAIN")
            for task in ("00", "01"):
                self.put("ProjectTask", ProjectID=job, ProjectTaskID=task, Description="Building", Status="Active", Branch="MAIN")
            for code in ("03-1000", "03-2000"):
                for kind in ("SUBCONTRACT", "MATERIAL"):
                    self.budget(job, "01", code, kind)
        for kind in ("SUBCONTRACT", "MATERIAL"):
            self.put("NonStockItem", InventoryID=kind, Description=kind.title(), ItemClass="COSTTYPE", ItemStatus="Active")

    def budget(self, job: str, task: str, code: str, kind: str, amount: Decimal = Decimal(0), branch: str = "MAIN") -> Doc:
        return self.put(
            "ProjectBudget", ProjectID=job, ProjectTaskID=task, CostCode=code, InventoryID=kind, Type="Expense", Description=code,
            OriginalBudgetedAmount=amount, Branch=branch,
        )  # fmt: skip

    def put(self, entity: str, **values: Any) -> Doc:
        """What people entered."""
        record = {"id": str(uuid.uuid4()), **values, "LastModifiedDateTime": self.stamp}
        self.records[entity].append(record)
        return record

    # -- requests

    def wrong(self, status: int, message: str, code: str = "PX.Data.PXException") -> Wrong:
        return Wrong(status, {"message": "An error has occurred.", "exceptionMessage": message, "exceptionType": code})

    def admit(self, request: httpx.Request) -> None:
        if not request.url.path.endswith("/entity/auth/login") and self._session(request) not in self.sessions:
            raise Wrong(401, {"message": "You are not logged in."})

    @staticmethod
    def _session(request: httpx.Request) -> str:
        return request.headers.get("Cookie", "").removeprefix("ASP.NET_SessionId=")

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/site")
        if path == "/entity/auth/login":
            return self._login(body_of(request))
        if path == "/entity/auth/logout":
            self.sessions.discard(self._session(request))
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
        if request.method == "POST" and len(rest) == 1 and rest[0] in OF.get(entity, ()):
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
        self._expandable(entity, expand)
        found = list(self.records[entity])
        if where:
            try:
                test = Filter(
                    where,
                    lambda one, name: one.get(name),
                    (FIELDS[entity] - {DETAILS.get(entity), LINKED.get(entity)}).__contains__,
                ).test
            except (ValueError, KeyError) as error:
                raise self.wrong(400, f"The filter is wrong: {error}") from error
            found = [one for one in found if test(one)]
        keys = [name for name in ("ProjectID", "ProjectTaskID", KEYS[entity]) if name in FIELDS[entity]]
        found.sort(key=lambda one: [str(one.get(name)) for name in keys])
        end = skip + min(top, self.largest)
        return self._reply(200, [self._shown(entity, one, expand) for one in found[skip:end]])

    def _expandable(self, entity: str, expand: str) -> None:
        names = {DETAILS.get(entity), LINKED.get(entity)}
        for one in filter(None, expand.split(",")):
            if one.partition("(")[0] not in names:
                raise self.wrong(500, f"Can't find value {one} in {entity}")

    @staticmethod
    def _shown(entity: str, record: Doc, expand: str) -> Doc:
        """Lists and linked records only where they are expanded; an empty value is an empty object."""
        out: Doc = {"id": record["id"], "rowNumber": 1, "note": {"value": ""}}
        for name, value in record.items():
            if name == DETAILS.get(entity):
                if name in expand:
                    out[name] = [
                        {
                            "id": str(uuid.uuid5(uuid.UUID(record["id"]), str(n))),
                            **{key: _wrapped(one) for key, one in line.items()},
                        }
                        for n, line in enumerate(value)
                    ]
            elif name == LINKED.get(entity):
                if name in expand:
                    out[name] = _linked(value)
            elif name != "id":
                out[name] = _wrapped(value)
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
            elif name == DETAILS[entity]:
                values[name] = [self._line(entity, index, line) for index, line in enumerate(wrapped, start=1)]
            elif not isinstance(wrapped, dict) or set(wrapped) - {"value"}:
                raise self.wrong(400, f"{name} has no value object")
            else:
                values[name] = self._typed(name, wrapped.get("value"))
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
        return self._reply(200, self._shown(entity, there, request.url.params.get("$expand", "")))

    def _line(self, entity: str, number: int, line: Mapping[str, Any]) -> Doc:
        if unknown := set(line) - LINES[entity]:
            raise self.wrong(422, f"unknown fields of a line {sorted(unknown)}")
        numbered = {"LineNbr": number} if "LineNbr" in LINES[entity] else {}
        return numbered | {name: self._typed(name, wrapped.get("value")) for name, wrapped in line.items()}

    def _typed(self, name: str, value: Any) -> Any:
        kinds: Any = str
        for names, kind in ((DECIMALS, (Decimal, int)), (INTEGERS, int), (BOOLEANS, bool)):
            kinds = kind if name in names else kinds
        if value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and name not in BOOLEANS)):
            raise self.wrong(400, f"{name}: {value!r} has the wrong type")
        return value

    def _there(self, entity: str, ident: str | None, values: Doc) -> Doc | None:
        key = values.get(KEYS[entity])
        return next((one for one in self.records[entity] if one["id"] == ident or (key and one[KEYS[entity]] == key)), None)

    def _new(self, entity: str, values: Doc) -> Doc:
        lines = values.setdefault(DETAILS[entity], [])
        total = sum((line.get("LineAmount" if entity == "ChangeOrder" else "ExtendedCost") or 0 for line in lines), Decimal(0))
        if entity in NUMBERED:
            values[KEYS[entity]] = f"{len(self.records[entity]) + 1:06d}"
        if entity == "Bill":
            values["Amount"] = total - (values.get("RetainageTotal") or 0)
        else:
            sums = {"Subcontract": "SubcontractTotal", "PurchaseOrder": "OrderTotal", "ChangeOrder": "CommitmentsChangeTotal"}
            values[sums[entity]] = total
        currency = {} if entity == "ChangeOrder" else {"CurrencyID": "USD"}
        return {"id": str(uuid.uuid4()), **currency, **values, "Status": "Balanced" if entity == "Bill" else "On Hold"}

    def order(self, number: str | None) -> Doc | None:
        """A subcontract or an order."""
        return next((one for name in ORDERS for one in self.records[name] if one[KEYS[name]] == number), None)

    def _judge(self, entity: str, values: Doc, body: Doc) -> None:
        """Field by field, as it answers: the document with an ``error`` beside the value that is refused."""
        keys = {
            (one["ProjectID"], one["ProjectTaskID"], one["CostCode"], one["InventoryID"]) for one in self.records["ProjectBudget"]
        }
        for line in values.get(DETAILS[entity], ()):
            project, task = (
                line.get("Project", values.get("ProjectID")),
                line.get("Task", line.get("ProjectTask", line.get("ProjectTaskID"))),
            )
            if (project, task, line.get("CostCode"), line.get("InventoryID")) not in keys:
                told = {"value": line.get("CostCode"), "error": "The cost code is not in the budget of the project."}
                raise Wrong(422, body | {DETAILS[entity]: [{"CostCode": told}]})
        if entity == "ChangeOrder":
            self._judge_change(values, body)
            return
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

    def _judge_change(self, values: Doc, body: Doc) -> None:
        for line in values["Commitments"]:
            order = self.order(line.get("PONbr"))
            known = {one["LineNbr"] for one in order["Details"]} if order else set()
            if order is None or order["Status"] != "Open":
                told = {"PONbr": {"value": line.get("PONbr"), "error": "The commitment is not open."}}
            elif line.get("POLineNbr") is not None and line["POLineNbr"] not in known:
                told = {"POLineNbr": {"value": line["POLineNbr"], "error": "The commitment has no such line."}}
            else:
                continue
            raise Wrong(422, body | {"Commitments": [told]})

    def _change(self, change: Doc) -> None:
        """A released change order changes the lines of its order, and adds new ones."""
        for line in change["Commitments"]:
            order = self.order(line["PONbr"])
            assert order is not None
            if line.get("POLineNbr") is None:
                line["POLineNbr"] = max(one["LineNbr"] for one in order["Details"]) + 1
                new = {"LineNbr": line["POLineNbr"], "LineDescription": line.get("LineDescription"), "ExtendedCost": Decimal(0)}
                new |= {"Project": change["ProjectID"], "Task": line["ProjectTaskID"], "CostCode": line["CostCode"]}
                order["Details"].append({**new, "InventoryID": line["InventoryID"], "OriginalAmount": None})
            changed = next(one for one in order["Details"] if one["LineNbr"] == line["POLineNbr"])
            changed["ExtendedCost"] += line["LineAmount"]
            order["SubcontractTotal" if "SubcontractTotal" in order else "OrderTotal"] += line["LineAmount"]
            order["LastModifiedDateTime"] = self.stamp

    def _cost(self, bill: Doc) -> None:
        """A released bill is cost of its project."""
        lines = [
            {
                "TransactionID": len(self.records["ProjectTransaction"]) * 1000 + n, "Branch": bill["BranchID"], "Released": True,
                "Project": line["Project"], "ProjectTask": line["ProjectTask"], "CostCode": line["CostCode"],
                "InventoryID": line["InventoryID"], "Amount": line["ExtendedCost"], "Date": bill["Date"],
                "VendorOrCustomer": bill["Vendor"], "ExternalRefNbr": bill["VendorRef"], "CommitmentNbr": bill["CommitmentNbr"],
            }
            for n, line in enumerate(bill["Details"], start=1)
        ]  # fmt: skip
        number = f"PM{len(self.records['ProjectTransaction']) + 1:06d}"
        self.put(
            "ProjectTransaction", Module="AP", ReferenceNbr=number, Status="Released", Description=bill["VendorRef"],
            OriginalDocType="Bill", OriginalDocNbr=bill["ReferenceNbr"], TotalAmount=bill["Amount"],
            Details=lines,
        )  # fmt: skip

    def pay(self, reference: str, method: str, day: str, *bills: tuple[str, Decimal], status: str = "Closed") -> Doc:
        """A check over (bill, amount)."""
        history, of = [], {one["ReferenceNbr"]: one for one in self.records["Bill"]}
        for number, amount in bills:
            bill = of[number]
            parts = {"DocType": "Bill", "ReferenceNbr": number, "VendorRef": bill["VendorRef"], "AmountPaid": amount}
            history.append(
                {**parts, "CashDiscountTaken": Decimal(0), "Project": bill["Project"], "CommitmentNbr": bill["CommitmentNbr"]}
            )
        first = of[bills[0][0]]
        return self.put(
            "Check", Type="Payment", ReferenceNbr=f"{len(self.records['Check']) + 1:06d}", PaymentRef=reference,
            PaymentMethod=method, Vendor=first["Vendor"], Branch=first["BranchID"], ApplicationDate=f"{day}T00:00:00",
            CurrencyID="USD", Status=status,
            PaymentAmount=sum(amount for _, amount in bills), History=history,
        )  # fmt: skip

    def _act(self, entity: str, action: str, body: Mapping[str, Any]) -> httpx.Response:
        if set(body) - {"entity", "parameters"} or not isinstance(body.get("entity", {}).get("id"), str):
            raise self.wrong(400, "an action is sent with its entity")
        record = next((one for one in self.records[entity] if one["id"] == body["entity"]["id"]), None)
        if record is None:
            raise self.wrong(404, "There is no such record.")
        before, after = ACTIONS[action]
        if record["Status"] not in before:
            raise self.wrong(422, f"The button {action} is disabled.")
        record["Status"], record["LastModifiedDateTime"] = after, self.stamp
        if action == "ReleaseBill":
            self._cost(record)
        if action == "ReleaseChangeOrder":
            self._change(record)
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


def _wrapped(value: Any) -> Doc:
    return {} if value is None else {"value": value}


def _linked(value: Any) -> Any:
    return {name: _linked(one) for name, one in value.items()} if isinstance(value, dict) else _wrapped(value)
