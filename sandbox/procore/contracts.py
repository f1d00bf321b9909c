"""Contracts of any kind: commitments and prime contracts share one id space, and documents name theirs by ``contract_id``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.procore.attributes import Wrong, whole
from sandbox.procore.commitments import PURCHASE_ORDERS, WORK_ORDERS
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid, Refused, not_found
from sandbox.procore.store import Condition, Record
from sandbox.procore.sums import PRIME

COMMITMENTS = (WORK_ORDERS, PURCHASE_ORDERS)
CONTRACTS = (*COMMITMENTS, PRIME)

USER_ID = 9_001
USER = {"id": USER_ID, "login": "pat.reyes@example.com", "name": "Pat Reyes"}
"""Who made what the seed did not make by somebody."""


def find_contract(context: Context, id: int, kinds: tuple[str, ...] = CONTRACTS) -> tuple[str, Record]:
    """Kind and record of a contract of the project in scope. Raises 404."""
    for kind in kinds:
        found = context.one(kind, id)
        if found is not None and found["project_id"] == context.project_id and not found["deleted_at"]:
            return kind, found
    raise not_found("Contract")


def contracts_of(context: Context, rows: list[Record]) -> dict[int, tuple[str, Record]]:
    """Kind and record of the contract of each document, by contract id; each kind is read once for all of them."""
    found: dict[int, tuple[str, Record]] = {}
    for kind in CONTRACTS:
        ids = {row["parent_id"] for row in rows if row.get("contract_kind") == kind}
        records = context.fetch(kind, ids)
        found.update({id: (kind, records[id]) for id in ids if id in records})
    return found


def contract_id(source: Mapping[str, Any], name: str = "contract_id") -> int | None:
    """The id that a query or a body names, if any. Raises 400 for one that is no number."""
    if source.get(name) in (None, ""):
        return None
    try:
        return whole(source[name])
    except Wrong as problem:
        raise Invalid({name: [str(problem)]}) from None


def enter_contract(*needed: str, name: str = "contract_id", kinds: tuple[str, ...] = CONTRACTS) -> Callable[[Context], None]:
    """A scope hook: the contract that a call names becomes the parent. ``needed``: the methods that must name one, ``SYNC`` among
    them. It stands in the query, of POST and PATCH of one record in the body. Raises 400 and 404."""

    def enter(context: Context) -> None:
        call = context.call
        method = "SYNC" if call.path.endswith("/sync") else call.method
        source: Mapping[str, Any] = call.json() if method in ("POST", "PATCH") else dict(call.args)
        id = contract_id(source, name)
        if id is None:
            if method in needed:
                raise Refused(400, f"{name} is missing", {name: ["is missing"]})
            return
        kind, context.parent = find_contract(context, id, kinds)
        context.scope["contract_kind"] = kind

    return enter


def of_contract(context: Context) -> list[Condition]:
    """The documents of the contract in scope, if one is."""
    return [] if context.parent is None else [("parent_id = ?", [context.parent["id"]])]


def next_number(context: Context, kind: str, contract_id: int) -> int:
    """One more than the highest number in use on a contract; numbers that are no digits do not count, deleted ones do."""
    rows = context.store.rows("SELECT number FROM objects WHERE kind = ? AND parent_id = ?", [kind, contract_id])
    return max((int(row["number"]) for row in rows if (row["number"] or "").isdigit()), default=0) + 1


def currency_of(contract: Record) -> dict[str, Any]:
    """A contract's currency; the base currency is shown in multi-currency companies only."""
    return {"currency_iso_code": contract.get("currency_iso_code"), "base_currency_iso_code": None}
