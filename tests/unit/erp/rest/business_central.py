"""A stand-in for Business Central's API v2.0 (OData), after its public description: not the vendor's product.

Strict where the product is: a token for the right scope, unknown properties and parameters refused, pages with a link to the next
one, If-Match required and looked at, invoices that may be posted once. Two requests make two invoices: nothing of the API keeps
a client from that.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, unquote

import httpx

from tests.unit.erp.rest.standin import Filter, Standin, Wrong, body_of

TENANT, COMPANY = "contoso.example", "0f6a1d6e-0000-4000-8000-000000000001"
TOKENS = f"/{TENANT}/oauth2/v2.0/token"
SCOPE = "https://api.businesscentral.dynamics.com/.default"
_PATH = re.compile(
    rf"/v2\.0/{re.escape(TENANT)}/production/api/(?P<api>[\w/.]+)/companies\({COMPANY}\)/(?P<set>\w+)(\((?P<key>[^)]*)\))?(/(?P<rest>.+))?"
)
_LINE = {
    "lineType", "lineObjectNumber", "description", "description2", "quantity", "amountExcludingTax", "projectNumber",
    "projectTaskNumber", "procoreLine", "sequence",
}  # fmt: skip
PROPERTIES: dict[str, set[str]] = {
    "vendors": {
        "number", "displayName", "taxRegistrationNumber", "blocked", "addressLine1", "city", "state", "postalCode", "balance",
    },
    "customers": {"number", "displayName", "blocked", "addressLine1", "city", "state", "postalCode"},
    "projects": {"number", "displayName"},
    "accounts": {"number", "displayName", "category", "subCategory", "blocked"},
    "projectTasks": {"projectNumber", "number", "description", "taskType"},
    "projectPlanningLines": {
        "projectNumber", "projectTaskNumber", "lineNumber", "lineType", "number", "description", "totalCost",
    },
    "projectLedgerEntries": {
        "entryNumber", "entryType", "projectNumber", "projectTaskNumber", "number", "description", "postingDate",
        "documentNumber", "externalDocumentNumber", "totalCost", "vendorNumber", "commitmentNumber",
    },
    "vendorApplications": {
        "paymentNumber", "paymentMethodCode", "postingDate", "amount", "currencyCode", "unapplied", "invoiceId",
        "vendorInvoiceNumber", "commitmentNumber", "projectNumber",
    },
    "purchaseOrders": {
        "number", "orderDate", "vendorNumber", "vendorName", "currencyCode", "totalAmountExcludingTax", "status", "fullyReceived",
        "procoreMarker", "procoreKind", "projectNumber", "postingDescription", "purchaseOrderLines",
    },
    "purchaseInvoices": {
        "number", "invoiceDate", "postingDate", "vendorInvoiceNumber", "vendorNumber", "currencyCode", "totalAmountExcludingTax",
        "status", "procoreMarker", "projectNumber", "commitmentNumber", "drawNumber", "purchaseInvoiceLines",
    },
}  # fmt: skip
LINES = {"purchaseOrders": "purchaseOrderLines", "purchaseInvoices": "purchaseInvoiceLines"}
LINE_PROPERTIES = {"purchaseOrders": _LINE | {"directUnitCost"}, "purchaseInvoices": _LINE | {"unitCost"}}
READ_ONLY = {"id", "status", "totalAmountExcludingTax", "lastModifiedDateTime", "vendorName", "fullyReceived"}
STANDARD = ("vendors", "customers", "projects", "accounts")
DECIMALS, DATES = {"quantity", "directUnitCost", "unitCost"}, {"orderDate", "invoiceDate", "postingDate"}
Doc = dict[str, Any]


class BusinessCentral(Standin):
    client, secret = "app-id", "s3cret/+&"

    def __init__(self, largest: int = 3) -> None:
        super().__init__()
        self.largest = largest
        self.records: dict[str, list[Doc]] = {name: [] for name in PROPERTIES}
        self.tokens: set[str] = set()
        self.version = 0
        self.closed = False
        for number, blocked in (("V1", " "), ("V2", "All"), ("V3", "_x0020_")):
            self.put("vendors", number=number, displayName=f"Vendor {number}", blocked=blocked)
        for number in ("25-104", "25-105"):
            self.put("projects", number=number, displayName=f"Job {number}")
            for task, kind in (("03", "Heading"), ("03-1000", "Posting"), ("03-2000", "Posting")):
                self.put("projectTasks", projectNumber=number, number=task, description=task, taskType=kind)
        self.put(
            "accounts",
            number="5300",
            displayName="Subcontracts",
            category="Cost of Goods Sold",
            subCategory="Subcontracts",
            blocked=False,
        )
        self.put("accounts", number="2350", displayName="Retainage", category="Liabilities", subCategory="", blocked=False)

    def put(self, entity: str, **values: Any) -> Doc:
        record = {"id": str(uuid.uuid4()), **values}
        self.records[entity].append(record)
        self.touch(record)
        return record

    def touch(self, record: Doc) -> None:
        self.version += 1
        record["lastModifiedDateTime"], record["@odata.etag"] = self.stamp, f'W/"{self.version}"'

    # -- requests

    def wrong(self, status: int, message: str, code: str = "BadRequest") -> Wrong:
        return Wrong(status, {"error": {"code": code, "message": f"{message}  CorrelationId:  {uuid.UUID(int=7)}."}})

    def admit(self, request: httpx.Request) -> None:
        if request.url.path != TOKENS and request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise self.wrong(401, "The credentials provided are incorrect", "Authentication_InvalidCredentials")

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == TOKENS:
            return self._token(request)
        found = _PATH.fullmatch(unquote(request.url.path))
        if found is None or found["set"] not in PROPERTIES or (found["set"] in STANDARD) != (found["api"] == "v2.0"):
            raise self.wrong(404, "No HTTP resource was found", "BadRequest_NotFound")
        entity, key, rest = found["set"], found["key"], found["rest"]
        if request.method == "GET" and key is None:
            return self._list(entity, request)
        if request.method == "POST" and key is None:
            return self._create(entity, request)
        record = next((one for one in self.records[entity] if one["id"] == key), None)
        if record is None:
            raise self.wrong(404, "The record is not there.", "Internal_RecordNotFound")
        if request.method == "POST" and rest in ("Microsoft.NAV.post", "Microsoft.NAV.release"):
            return self._act(entity, record, rest.removeprefix("Microsoft.NAV."))
        if request.method == "PATCH" and rest is None:
            return self._change(entity, record, request)
        raise self.wrong(405, f"{request.method} is not allowed", "BadRequest_MethodNotAllowed")

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = {name: value[0] for name, value in parse_qs(request.content.decode()).items()}
        if form.get("grant_type") != "client_credentials" or form.get("scope") != SCOPE:
            raise Wrong(400, {"error": "invalid_request", "error_description": "grant_type or scope"})
        if (form.get("client_id"), form.get("client_secret")) != (self.client, self.secret):
            raise Wrong(401, {"error": "invalid_client", "error_description": "Invalid client secret provided."})
        token = uuid.uuid4().hex
        self.tokens.add(token)
        return self._reply(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": token})

    def _list(self, entity: str, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        skip, expand = int(query.pop("$skiptoken", 0)), query.pop("$expand", "")
        where, order = query.pop("$filter", ""), query.pop("$orderby", "id")
        if query or expand not in ("", LINES.get(entity, "")):
            raise self.wrong(400, f"The query {sorted(query)} {expand} is not supported", "BadRequest_InvalidRequestUrl")
        found, known = list(self.records[entity]), PROPERTIES[entity] | {"id", "lastModifiedDateTime"}
        if where:
            try:
                test = Filter(where, lambda one, name: one.get(name), known.__contains__).test
            except (ValueError, KeyError) as error:
                raise self.wrong(400, f"Error in query syntax: {error}", "BadRequest_NotFound") from error
            found = [one for one in found if test(one)]
        for name in reversed(order.split(",")):
            if name not in known:
                raise self.wrong(400, f"no property {name}", "BadRequest_NotFound")
            found.sort(key=lambda one, name=name: str(one[name]))  # type: ignore[misc]
        wanted = re.fullmatch(r"odata\.maxpagesize=(\d+)", request.headers.get("Prefer", ""))
        end = skip + min(self.largest, int(wanted[1]) if wanted else self.largest)
        body: Doc = {"@odata.context": "$metadata", "value": [self._shown(entity, one, expand) for one in found[skip:end]]}
        if end < len(found):
            body["@odata.nextLink"] = str(request.url.copy_set_param("$skiptoken", str(end)))
        return self._reply(200, body)

    @staticmethod
    def _shown(entity: str, record: Doc, expand: str) -> Doc:
        lines = LINES.get(entity)
        return {name: value for name, value in record.items() if name != lines or expand}

    def _create(self, entity: str, request: httpx.Request) -> httpx.Response:
        if entity not in LINES:
            raise self.wrong(400, "is set up by people here")
        body = body_of(request)
        self._known(body, PROPERTIES[entity])
        self._judge(entity, body)
        lines = LINES[entity]
        cost = "directUnitCost" if entity == "purchaseOrders" else "unitCost"
        made = []
        for index, line in enumerate(body.get(lines, ()), start=1):
            self._known(line, LINE_PROPERTIES[entity] - {"amountExcludingTax"})
            if line.get("lineObjectNumber") not in {one["number"] for one in self.records["accounts"]}:
                raise self.wrong(400, "The G/L Account does not exist.", "Internal_RecordNotFound")
            amount = line["quantity"] * line[cost]
            made.append(
                {"description2": "", **line, "id": str(uuid.uuid4()), "sequence": index * 10000, "amountExcludingTax": amount}
            )
        total = sum((line["amountExcludingTax"] for line in made), Decimal(0))
        number = f"PI{len(self.records[entity]) + 1:05d}"
        dates = (
            {"invoiceDate": "0001-01-01", "postingDate": "0001-01-01"}
            if entity == "purchaseInvoices"
            else {"orderDate": "0001-01-01"}
        )
        values = {"number": number, **dates, **body, lines: made, "totalAmountExcludingTax": total, "status": "Draft"}
        record = self.put(entity, **values)
        return self._reply(201, self._shown(entity, record, request.url.params.get("$expand", "")))

    def _known(self, body: Mapping[str, Any], properties: set[str]) -> None:
        if wrong := set(body) - (properties - READ_ONLY):
            raise self.wrong(400, f"The property {sorted(wrong)[0]} does not exist or is read only.", "BadRequest")
        for name, value in body.items():
            fits = isinstance(value, Decimal | int) and not isinstance(value, bool) if name in DECIMALS else True
            if not fits or (name in DATES and value is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", str(value))):
                raise self.wrong(400, f"The value {value!r} of {name} has the wrong type.", "BadRequest")

    def _judge(self, entity: str, body: Mapping[str, Any]) -> None:
        vendor = next((one for one in self.records["vendors"] if one["number"] == body.get("vendorNumber")), None)
        if vendor is None:
            raise self.wrong(400, f"The Vendor {body.get('vendorNumber')} does not exist.", "Internal_RecordNotFound")
        if vendor["blocked"] == "All":
            raise self.wrong(
                400, "You cannot create this type of document when Vendor is blocked.", "Application_DialogException"
            )
        if entity == "purchaseOrders" and body.get("number") in {one["number"] for one in self.records[entity]}:
            raise self.wrong(400, "The record in table Purchase Header already exists.", "Internal_EntityWithSameKeyExists")

    def _change(self, entity: str, record: Doc, request: httpx.Request) -> httpx.Response:
        tag = request.headers.get("If-Match")
        if tag is None:
            raise self.wrong(400, "Could not validate the client concurrency token required.", "BadRequest_InvalidToken")
        if tag not in (record["@odata.etag"], "*"):
            raise self.wrong(409, "Another user has already changed the record.", "Request_EntityChanged")
        body = body_of(request)
        self._known(body, PROPERTIES[entity] - {LINES[entity]})
        record |= body
        self.touch(record)
        return self._reply(200, self._shown(entity, record, ""))

    def _act(self, entity: str, record: Doc, action: str) -> httpx.Response:
        wanted = "post" if entity == "purchaseInvoices" else "release"
        if action != wanted:
            raise self.wrong(404, "There is no such action.", "BadRequest_NotFound")
        if record["status"] != "Draft":
            raise self.wrong(400, "The document is not a draft.", "Application_DialogException")
        if action == "post" and self.closed:
            message = "Posting Date is not within your range of allowed posting dates."
            raise self.wrong(400, message, "Application_DialogException")
        record["status"] = "Open" if action == "post" else "Released"
        self.touch(record)
        return self._reply(204)
