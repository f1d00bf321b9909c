"""An endpoint of Procore as data: where it lives, how it is scoped, filtered, synced, locked and shown in the browser.

Facts from docs/procore-contract.md; ``docs`` names the section. A new resource is a row in its family's file (``areas``) and
nothing else in this package's transport; here are only those that hold no records. Paths hold ``{company}``,
``{project}``, ``{parent}`` (the record that a list hangs on: the contract of lines, the segment of its items, the view of its
rows, the vendor of insurances) and ``{id}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Place = Literal["body", "query", "path", "both", "none"]


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the REST API.

    ``company``, ``project`` and ``contract`` say where the scope id goes in lists (``none``: not at all). ``params`` go with
    every list call, ``show_params`` with a single record's.
    ``filters`` are the filters the list is documented to honour; ``ids`` is how a list of ids is written: ``brackets`` for
    ``filters[id][]=1&filters[id][]=2``, ``json`` for ``filters[id]=[1,2]``. ``per_page`` is the most we ask for (advice is to
    stay within 2,000, and servers may give less); 0: the list has no pages.

    ``create`` is the path of a single POST, ``update`` that of a single PATCH (and DELETE), where they are used; ``write_scope``
    are the ids that go in its body beside the record (``company``, ``project``, ``commitment``, ``contract``); ids in its path
    or query are not among them.

    ``sync`` is the path of the sync action, ``sync_scope`` where the scope ids go in it (``both``: body and query).
    ``origin_code``: ``sync`` when the sync action takes it, ``patch`` when only the single update does, ``none`` when the
    resource has no such field. ``permission``: what the service account needs for its writes beyond seeing it.
    ``lock``: what makes a record unchangeable (docs/procore-contract.md 2.4).
    ``of_place``: whether what its list hangs on is a place (a contract's payments, the items of a segment), read whole for each
    day; the others are parts of one document, and read when it is.
    ``hidden_in``: the list of those records that its own list hides.
    ``read_as``: attribute of a write -> the name it is read back by, where that is another one (``object.member`` for a member).
    ``events``: the names under which webhooks tell of its records (7.4, *third party*; Procore's own list is asked before they
    are used); empty: no event tells of them, they are found by reading.
    """

    name: str
    docs: str
    list: str = ""
    show: str | None = None
    company: Place = "none"
    project: Place = "none"
    contract: Place = "none"
    wrapper: str | None = None
    per_page: int = 1000
    params: Mapping[str, str] = field(default_factory=dict)
    show_params: Mapping[str, str] = field(default_factory=dict)
    filters: frozenset[str] = frozenset()
    ids: Literal["brackets", "json"] = "brackets"
    create: str | None = None
    update: str | None = None
    write_scope: tuple[str, ...] = ()
    sync: str | None = None
    sync_scope: Place = "body"
    sync_method: Literal["PATCH", "POST"] = "PATCH"
    sync_key: str = "updates"
    sync_batch: int = 1000
    origin_id: bool = True
    origin_code: Literal["sync", "patch", "none"] = "none"
    of_place: bool = False
    hidden_in: Resource | None = None
    read_as: Mapping[str, str] = field(default_factory=dict)
    lock: Literal["none", "status", "origin_id"] = "none"
    permission: str | None = None
    web: str | None = None
    events: tuple[str, ...] = ()


ACCOUNT = Resource("account", docs="1.2", show="/rest/v1.0/me", company="query", origin_id=False)
COMPANIES = Resource("companies", docs="1.3", list="/rest/v1.0/companies", per_page=100, origin_id=False)
WEB_ADDRESS = Resource("web_address", docs="1.1", show="/rest/v1.0/company_base_url", company="query", origin_id=False)
WORKFLOWS = Resource(
    "workflows",
    docs="9",
    list="/rest/v2.0/companies/{company}/projects/{project}/workflows/instances",
    show="/rest/v2.0/companies/{company}/projects/{project}/workflows/instances/{id}",
    company="path",
    project="path",
    per_page=100,
    origin_id=False,
)
OLDER_WORKFLOWS = Resource(
    "older_workflows", docs="9", list="/rest/v1.0/workflow_instances", company="query", per_page=100, origin_id=False
)
WORKFLOW_HISTORY = Resource(
    "workflow_history",
    docs="9",
    show="/rest/v2.0/companies/{company}/projects/{project}/workflows/instances/{id}/history",
    company="path",
    project="path",
    origin_id=False,
)
WORKFLOW_RESPONSES = Resource(
    "workflow_responses",
    docs="9",
    create="/rest/v2.0/companies/{company}/projects/{project}/workflows/instances/{parent}/responses",
    company="path",
    project="path",
    wrapper="response",
    origin_id=False,
)
WORKFLOW_TOOLS = Resource(
    "workflow_tools",
    docs="9",
    list="/rest/v2.0/companies/{company}/workflows/tools",
    company="path",
    per_page=0,
    origin_id=False,
)
_WEBHOOKS = "/rest/v2.0/companies/{company}/webhooks"
WEBHOOK_RESOURCES = Resource(
    "webhook_resources", docs="7.2", list=f"{_WEBHOOKS}/resources", company="path", per_page=100, origin_id=False
)
HOOKS = Resource(
    "hooks",
    docs="7.2",
    list=f"{_WEBHOOKS}/hooks",
    create=f"{_WEBHOOKS}/hooks",
    update=f"{_WEBHOOKS}/hooks/{{id}}",
    company="path",
    per_page=100,
    origin_id=False,
)
TRIGGERS = Resource(
    "webhook_triggers",
    docs="7.2",
    list=f"{_WEBHOOKS}/hooks/{{parent}}/triggers",
    sync=f"{_WEBHOOKS}/hooks/{{parent}}/triggers/bulk",
    company="path",
    per_page=100,
    sync_method="POST",
    sync_batch=500,
    origin_id=False,
)
DELIVERIES = Resource(
    "webhook_deliveries",
    docs="7.5",
    list=f"{_WEBHOOKS}/hooks/{{parent}}/deliveries",
    company="path",
    per_page=100,
    origin_id=False,
)

COMPANY_RESOURCES = (
    ACCOUNT, COMPANIES, WEB_ADDRESS, WORKFLOWS, OLDER_WORKFLOWS, WORKFLOW_HISTORY, WORKFLOW_RESPONSES, WORKFLOW_TOOLS,
    WEBHOOK_RESOURCES, HOOKS, TRIGGERS, DELIVERIES,
)  # fmt: skip
"""What a company has besides records: our account, workflows, webhooks."""

WEB_HOSTS: dict[str, str] = {
    "api.procore.com": "https://app.procore.com",
    "api-monthly.procore.com": "https://api-sandbox-monthly.procore.com",
    "api.procoregov.com": "https://app.procoregov.com",
}
"""API host -> host of the pages for people; the developer sandbox (and ours) serves both from one host."""


def web_base(base_url: str) -> str:
    """Where people open what this API host serves."""
    return WEB_HOSTS.get(urlsplit(base_url).hostname or "", base_url)


def web_url(
    base: str, resource: Resource, *, company: str, project: str | None, record_id: str, parent: str | None = None
) -> str | None:
    """The record's page in the web application at ``base``, None where there is none, or its
    project or parent is not known."""
    given = {"company": company, "project": project, "parent": parent, "id": record_id}
    if resource.web is None or any(not value and f"{{{name}}}" in resource.web for name, value in given.items()):
        return None
    return base + resource.web.format(**given)
