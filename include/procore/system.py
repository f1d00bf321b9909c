"""Procore as a system of the port (``include.financials.port``): what the engine sees of this package.

What it knows of each entity stands in ``areas``, by family; readers and writes work at one desk. Nothing here knows an ERP.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from include.financials.asking import Answer, Asked, Question
from include.financials.exceptions import ConfigurationError, ContractBroken, NotPermitted, Refused
from include.financials.port import (
    Action,
    Beat,
    Header,
    Health,
    Item,
    Outcome,
    Page,
    Step,
    Window,
    idle,
)
from include.procore.address import clean_url
from include.procore.areas import ENTITIES, STEPS, WAYS
from include.procore.areas.codes.lists import code_list
from include.procore.areas.jobs import PROJECTS
from include.procore.client import ProcoreClient
from include.procore.described import DescribedProcore
from include.procore.entity import Desk
from include.procore.exceptions import NotFound, OddReply
from include.procore.lists import Kept, Lists, row_id
from include.procore.older_workflows import OlderWorkflows
from include.procore.resources import ACCOUNT, COMPANIES, WEB_ADDRESS, web_base
from include.procore.workflows import Workflows
from include.procore.writing.writer import Writer

log = logging.getLogger(__name__)


class ProcoreSystem(DescribedProcore):
    """Procore behind the port. One instance serves one task: it remembers what it looked up, and is not thread-safe.

    :param client: the connection.
    :param erp_system: first part of our external ids (``sandbox``); other external ids are another integration's.
    :param cost_delimiter: between the parts of a tiered cost code in this company. For messages: codes are compared whole.
    :param cost_code_list: id or name of the standard cost code list; None: the only one of the company.
    :param workflow_tools: name of the tool that has an entity's workflows; None: workflows are not looked at.
    :param older_workflows: what the older workflows call an entity's documents; None: those are not looked at.
    :param cost_type_codes: ERP cost type -> Procore code, for cost types whose item has no ``refs["code"]``.
    """

    def __init__(
        self,
        client: ProcoreClient,
        *,
        erp_system: str,
        cost_delimiter: str = "-",
        cost_type_codes: Mapping[str, str] | None = None,
        cost_code_list: str | None = None,
        workflow_tools: Mapping[str, str] | None = None,
        older_workflows: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(client.base_url, client.company_id)
        self.client = client
        self.erp_system = erp_system
        self._lists = Lists(client, PROJECTS)
        self._desk = Desk(self._lists, erp_system, ENTITIES, cost_delimiter, dict(cost_type_codes or {}), cost_code_list)
        self._workflows = Workflows(client, workflow_tools or {})
        self._older = OlderWorkflows(client, older_workflows or {})
        self._writer = Writer(self._desk, WAYS)

    # ------------------------------------------------------------------ the system itself

    def close(self) -> None:
        self.client.close()

    def now(self) -> datetime:
        """Procore's clock: the ``Date`` of its last reply and what went by since (UTC)."""
        return self.client.now()

    def check(self) -> Health:
        """Token, service account, company, projects, standard cost code list; tools that have workflows, and older workflows (one
        call each, if they are looked at). An unreachable Procore raises RetryLater."""
        problems: list[str] = []
        notes: list[str] = []
        name = None
        try:
            self._lists.show(ACCOUNT)
            name = self._company_name()
            if name is None:
                problems.append(
                    f"The service account does not see company {self.company_id}. Install the app there, or correct company_id."
                )
            code_list(self._desk)
            problems += self._workflow_problems()
            notes += self._older.notes()
        except (ConfigurationError, Refused) as error:
            problems.append(str(error))
        company = f"{name} ({self.company_id})" if name else f"company {self.company_id}"
        at = f"Procore, {company}, at {self.base_url}"
        return Health(at, "REST v1.0 and v1.1", self._clock(), tuple(problems), tuple(notes))

    def _workflow_problems(self) -> list[str]:
        """A workflow is only shown: where it may not be read the run goes on without, as its checks do."""
        try:
            return self._workflows.problems()
        except (NotPermitted, Refused) as error:
            log.warning("at which step of a workflow documents are will not be shown: %s", error)
            return []

    def account(self) -> str:
        """Id of the service account's user: events of what it wrote itself are its own."""
        return row_id(self._lists.show(ACCOUNT))

    def _clock(self) -> datetime:
        """The time even of a Procore that refuses us: its refusals are dated too."""
        return self.client.last_seen() or datetime.now().astimezone()

    def _company_name(self) -> str | None:
        rows = (row for page in self.client.pages(COMPANIES.list, per_page=COMPANIES.per_page) for row in page.rows)
        mine = (row for row in rows if isinstance(row, dict) and row_id(row) == self.company_id)
        return next((str(row.get("name")) for row in mine), None)

    def web_address(self) -> str:
        """Where this company's region has its pages. One call; where it gives no answer, what is right for the first region."""
        try:
            told = self._lists.show(WEB_ADDRESS)
            return clean_url(str(told.get("web_base_url") or ""), "The web address of the Procore connection")
        except (ConfigurationError, ContractBroken, Refused) as error:
            known = web_base(self.base_url)
            log.info("Procore does not say where its web application is (%s); links go to %s", error, known)
            return known

    def asked(self, entity: str, project: str, ids: Collection[str]) -> dict[str, Asked]:
        """What workflows of either kind ask about these documents, by id; a document is under one at most. See
        :meth:`Workflows.asked`."""
        older = self._older.asked(entity, project, ids)
        try:
            return older | self._workflows.asked(entity, project, set(ids) - older.keys())
        except (NotPermitted, Refused) as error:
            if not older:
                raise
            log.warning("which newer workflows the documents of project %s are under is not known: %s", project, error)
            return older

    def questions(self, entity: str, project: str) -> dict[str, Question]:
        """What our own account is asked about documents of a project, by id: see :meth:`Workflows.questions`."""
        return self._workflows.questions(entity, project)

    def answered(self, answer: Answer) -> Outcome:
        """Whether an answer arrived: see :meth:`Workflows.answered`."""
        return self._workflows.answered(answer)

    def answer(self, answer: Answer, beat: Beat = idle) -> Outcome:
        """Answer a step: see :meth:`Workflows.answer`."""
        return self._workflows.answer(answer, beat)

    # ------------------------------------------------------------------ read

    def share_lists(self, kept: Kept | None) -> None:
        """Let :meth:`read`, and nothing else, take lists without a time filter from ``kept``, and leave there those it reads."""
        self._lists.kept = kept

    def read(
        self,
        entity: str,
        *,
        window: Window | None = None,
        scopes: Sequence[str] | None = None,
        cursor: dict[str, Any] | None = None,
        also: Callable[[Header], bool] | None = None,
    ) -> Iterator[Page]:
        """Records as the port describes it; scopes are Procore project ids (for cost codes also "", the standard list).

        Vendors and customers share one list: after ``read("vendors")`` of a window to its end, ``read("customers")`` of the same
        window on this instance makes no call. Cost types and standard codes carry no time and are always given, and so are
        insurances, sub jobs, tax codes and budgets.

        Documents are listed first, and read in full (lines, items) only when chosen. Their project's list is read in full where
        it has no time filter or ``also`` is given, so that it can be asked about every header; requisitions are the exception:
        they are listed by time always, being the one heavy list (their items come with it).
        """
        return self._desk.reader(entity).read(window or Window(), scopes, cursor, also)

    def read_ids(self, entity: str, ids: Sequence[tuple[str | None, str]]) -> Iterator[Page]:
        """The named records, if they are still there. Scope: the project id, None of records that belong to no project.

        Lists without a filter on ids (cost types, standard codes, inactive vendors, insurances, tax codes, budget changes, owner
        invoices, payments) are read in full, and so are the codes of a project: what a code is (level, header, types) shows only
        among its neighbours.
        """
        scopes: dict[str | None, list[str]] = {}
        for scope, ident in ids:
            scopes.setdefault(scope, []).append(ident)
        for scope, wanted in scopes.items():
            try:
                with self._lists.afresh():
                    yield from self._desk.reader(entity).read_ids(scope, list(dict.fromkeys(wanted)))
            except (NotPermitted, NotFound, OddReply):
                if scope is None:
                    raise
                yield Page([], hidden=list(wanted))  # the project is closed to us: what it holds may be there all the same

    def keys(self, entity: str, scopes: Sequence[str] | None = None) -> Iterator[str]:
        """Ids of all records that are not deleted. A project that cannot be read raises: its records are hidden, not gone."""
        with self._lists.afresh():
            yield from self._desk.reader(entity).keys(scopes)

    # ------------------------------------------------------------------ write

    def steps(self, entity: str, action: Action) -> tuple[Step, ...]:
        return STEPS.get((entity, action), ())

    def wants(self, step: Step, item: Item) -> bool:
        """Whether the step has anything to send for this item. One that has not need not be journaled."""
        with self._lists.afresh():
            return self._writer.wants(step, item)

    def scope(self, step: Step, item: Item) -> str:
        """What one call can cover: the company, the standard list, a project (and sub job), a contract or kind of contract."""
        return self._writer.scope(step, item)

    def find(self, step: Step, items: Sequence[Item]) -> list[Outcome]:
        """Whether the effect is there. ``absent`` with a message: the record carries another integration's external id."""
        with self._lists.afresh():
            return self._writer.find(step, items) if items else []

    def post(self, step: Step, items: Sequence[Item], beat: Beat = idle) -> list[Outcome]:
        """One call (for ``wbs`` one per 1,000 pairs of code and type, for ``lines`` one per 1,000 lines: they may be repeated).

        ``Item.refs``: Procore ids of what the record names, by field (``project``, ``vendor``, ``parent`` ...) and of what its
        lines name, as ``cost_code:<key>``, ``cost_type:<key>``, ``tax_code:<key>``; ``type:<ERP cost type>`` of a cost code's
        types; ``code`` and ``base_type`` of a cost type. ``Outcome.record`` is None where the answer lacks part of the content or
        names other records (cost codes, all documents).

        :raises Refused: the call was refused as a whole and nothing applied; for a single item that is its outcome instead.
        """
        with self._lists.afresh():
            return self._writer.post(step, items, beat) if items else []
