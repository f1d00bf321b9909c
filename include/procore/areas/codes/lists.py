"""The lists of cost types and cost codes, remembered for whoever meets them in a line or a WBS code
(docs/procore-contract.md 3.4 to 3.6, 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from include.financials.exceptions import ConfigurationError
from include.procore.areas.jobs import sub_job_codes
from include.procore.entity import Desk
from include.procore.lists import Lists, Raw, row_id
from include.procore.resources import Resource

COST_TYPES = Resource(
    "cost_types",
    docs="3.6",
    list="/rest/v1.0/line_item_types",
    company="query",
    wrapper="line_item_type",
    filters=frozenset({"origin_id"}),
    sync="/rest/v1.0/line_item_types/sync",
    web="/{company}/company/admin/work_breakdown_structure",
    events=("Line Item Types",),
    # Written as csv_import_code, read back as code (docs/procore-contract.md 3.6).
    read_as={"csv_import_code": "code"},
)
COMPANY_SEGMENTS = Resource(
    "company_wbs_segments",
    docs="4",
    list="/rest/v1.0/companies/{company}/work_breakdown_structure/segments",
    company="path",
    per_page=0,
    origin_id=False,
)
CODE_LISTS = Resource(
    "cost_code_lists",
    docs="3.4",
    list="/rest/v1.0/companies/{company}/work_breakdown_structure/segments/{parent}/lists",
    company="path",
    per_page=0,
    origin_id=False,
    events=("Standard Cost Code Lists",),
    of_place=True,
)
STANDARD_CODES = Resource(
    "standard_cost_codes",
    docs="3.4",
    list="/rest/v1.0/standard_cost_codes",
    company="query",
    wrapper="standard_cost_code",
    params={"view": "extended"},
    filters=frozenset({"origin_id"}),
    sync="/rest/v1.0/standard_cost_codes/sync",
    web="/{company}/company/admin/work_breakdown_structure",
    events=("Standard Cost Codes",),
)
COST_CODES = Resource(
    "cost_codes",
    docs="3.5",
    list="/rest/v1.0/cost_codes",
    show="/rest/v1.0/cost_codes/{id}",
    project="query",
    wrapper="cost_code",
    filters=frozenset({"id", "origin_id"}),
    ids="json",
    sync="/rest/v1.0/cost_codes/sync",
    sync_scope="query",
    web="/{project}/project/admin/work_breakdown_structure",
    events=("Cost Codes",),
)

Role = Literal["cost_code", "line_item_type", "sub_job"]
"""The default segments of the work breakdown structure (docs/procore-contract.md 4)."""

_ROLES: dict[str, Role] = {
    "costcode": "cost_code",
    "costcodes": "cost_code",
    "lineitemtype": "line_item_type",
    "lineitemtypes": "line_item_type",
    "costtype": "line_item_type",
    "costtypes": "line_item_type",
    "subjob": "sub_job",
    "subjobs": "sub_job",
}


def role_of(segment: Mapping[str, Any]) -> Role | None:
    """Which of the default segments this is. ``type`` decides; ``name`` is a label in the user's language, a last resort."""
    for value in (segment.get("type"), segment.get("name")):
        plain = "".join(char for char in str(value or "").rpartition("::")[2].lower() if char.isalpha())
        if plain in _ROLES:
            return _ROLES[plain]
    return None


def code_list(desk: Desk) -> str:
    """Id of the standard cost code list that the ERP's codes go to (docs/procore-contract.md 3.4).

    No mark in Procore tells it: only companies with an ERP connection have one. :raises ConfigurationError: it is not clear.
    """
    return desk.lists.remembered(CODE_LISTS.name, lambda: _chosen_list(desk.lists, desk.code_list))


def _chosen_list(of: Lists, wanted: str | None) -> str:
    lists = _code_lists(of)
    found = [one for one in lists if wanted is None or wanted in (row_id(one), str(one.get("name")).strip())]
    if len(found) == 1:
        return row_id(found[0])
    names = ", ".join(f"{one.get('name')} ({row_id(one)})" for one in lists) or "none"
    if wanted is None:
        wrong = "It is not clear which standard cost code list is meant"
    else:
        fault = "the name of several" if found else "which is no list"
        wrong = f"The setting cost_code_list is {wanted!r}, {fault}"
    raise ConfigurationError(
        f"{wrong}; Procore has: {names}. Set cost_code_list to a name or an id (Procore: Company Admin, Work Breakdown "
        "Structure)."
    )


def _code_lists(lists: Lists) -> list[Raw]:
    for segment in lists.objects(COMPANY_SEGMENTS):
        if role_of(segment) == "cost_code":
            return lists.objects(CODE_LISTS, parent=row_id(segment))
    raise ConfigurationError("Procore's work breakdown structure has no segment of cost codes (Company Admin)")


def type_codes(lists: Lists) -> dict[str, str]:
    """Cost type id -> code."""
    return lists.remembered(COST_TYPES.name, lambda: _codes_of(lists.all(COST_TYPES)))


def learn_types(lists: Lists, rows: Iterable[Any]) -> None:
    lists.remembered(COST_TYPES.name, lambda: _codes_of(rows), again=True)


def _codes_of(rows: Iterable[Any]) -> dict[str, str]:
    return {row_id(row): str(row.get("code") or "") for row in rows if isinstance(row, dict)}


class CodeKey(NamedTuple):
    """A cost code within its project: codes may repeat between sub jobs."""

    sub_job: str | None
    """Procore id of the sub job."""
    full_code: str


def code_key(row: Any) -> CodeKey:
    """Key of a cost code as listed."""
    raw: Raw = row if isinstance(row, dict) else {}
    return CodeKey(str(raw.get("biller_id")) if raw.get("biller_type") == "SubJob" else None, str(raw.get("full_code")))


def code_rows(lists: Lists, project: str) -> list[Any]:
    """The cost codes of one project as they are now; those of its sub jobs are listed apart (docs/procore-contract.md 3.5)."""
    rows = lists.all(COST_CODES, project=project)
    for sub_job in sub_job_codes(lists, project):
        rows += lists.all(COST_CODES, project=project, extra=[("sub_job_id", sub_job)])
    lists.remembered((COST_CODES.name, project), lambda: _keys_of(rows), again=True)
    return rows


def code_keys(lists: Lists, project: str, *, again: bool = False) -> Mapping[str, CodeKey]:
    """Id of each cost code of a project -> its key. Unless ``again``, as it was when the codes were read last: that alone is
    remembered of them, for their rows are long."""
    return lists.remembered((COST_CODES.name, project), lambda: _keys_of(code_rows(lists, project)), again=again)


def _keys_of(rows: Iterable[Any]) -> dict[str, CodeKey]:
    return {row_id(row): code_key(row) for row in rows if isinstance(row, dict)}


def standard_rows(desk: Desk) -> list[Any]:
    """The codes of the standard list that the ERP's codes go to."""
    return desk.lists.all(STANDARD_CODES, extra=[("standard_cost_code_list_id", code_list(desk))])
