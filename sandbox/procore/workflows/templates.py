"""Which tools have workflows and how a document runs through one. Words of tools are this sandbox's own: Procore does not publish
its, so a client has to read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.procore import login

Person = Mapping[str, Any]
"""``{"id": number of the log-in, "login", "name"}``."""

MANAGER: Person = {"id": 5_200_001, "login": "project-manager@example.com", "name": "Project Manager"}
SERVICE: Person = {"id": login.OWNER_ID, "login": login.OWNER_LOGIN, "name": login.OWNER_NAME}
CLERK: Person = {"id": 5_200_002, "login": "accounting@example.com", "name": "Accounting Clerk"}


@dataclass(frozen=True, slots=True)
class Option:
    """An answer that a step offers. ``leads_to``: number of the next step; None: the workflow ends with this answer."""

    name: str
    response_type: str
    leads_to: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """``status``: what the document's status is while the step is asked; ``role``: who is asked."""

    name: str
    status: str
    role: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool with workflows. ``name`` is shown to people, ``type`` asked for by programs; ``domain`` and ``object_type`` are the
    words of the older workflows. ``kinds``: the stored kinds of its documents, with the class name in older workflows.
    ``statuses``: of a document before, at and after its accounting step."""

    name: str
    type: str
    domain: str
    object_type: str
    kinds: Mapping[str, str]
    statuses: tuple[str, str, str]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Review by the project manager, then the posting by accounting, which may send it back."""
        before, at, _ = self.statuses
        return (
            Step("Project manager review", before, "Project Manager", (Option("Approve", "approve", 1),)),
            Step("ERP posting", at, "Accounting", (Option("Accept", "approve", None), Option("Return", "reject", 0))),
        )


TOOLS = (
    Tool(
        "Commitments", "sbx_commitments", "commitments", "Contract",
        {"work_order_contracts": "WorkOrderContract", "purchase_order_contracts": "PurchaseOrderContract"},
        ("Out For Signature", "Approved", "Approved"),
    ),
    Tool(
        "Change Orders", "sbx_change_orders", "change_orders", "ChangeOrderPackage",
        {"change_order_packages": "ChangeOrderPackage"}, ("pending", "approved", "approved"),
    ),
    Tool(
        "Subcontractor Invoices", "sbx_requisitions", "requisitions", "Requisition",
        {"requisitions": "Requisition"}, ("under_review", "approved", "approved"),
    ),
)  # fmt: skip
BY_TYPE = {tool.type: tool for tool in TOOLS}
BY_KIND = {kind: tool for tool in TOOLS for kind in tool.kinds}
ASKED = {"Project Manager": (MANAGER,), "Accounting": (CLERK,)}
"""Who is asked in which role; the service account beside the clerk where the company has made it an assignee (a setting)."""
