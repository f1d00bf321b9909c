"""Direct costs (docs/procore-contract.md 3.9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from include.financials.port import Header
from include.procore import records
from include.procore.lists import Raw, row_id
from include.procore.parse import Row
from include.procore.readers.base import ROW_PAGE, Built, Documents, Listed


class DirectCosts(Documents):
    """Headers and lines are two lists of the project; they are joined here, without a call per document."""

    entity = "direct_costs"
    names = ("invoice_number", "description")
    page_size = ROW_PAGE

    def header(self, row: Row, project: str, group: str) -> Header:
        return Header(
            id=row.required_id(),
            number=records.cost_number(row, self._desk.system),
            scope=project,
            status=row.text("status"),
            amount=row.decimal("grand_total", 2),
            updated_at=row.moment("updated_at"),
            origin_id=row.text("origin_id"),
            deleted=row.moment("deleted_at") is not None,
        )

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        lines = self._lines(project) if chosen else {}
        for one in chosen:
            own = lines.get(one.header.id, [])
            yield self.fit(one.row, project, records.direct_cost, self._desk.system, project, own)

    def _lines(self, project: str) -> dict[str, list[Raw]]:
        found: dict[str, list[Raw]] = defaultdict(list)
        for line in self._lists.objects("direct_cost_lines", project=project):
            holder = line.get("holder")
            found[row_id(holder) if isinstance(holder, dict) else str(line.get("direct_cost_id"))].append(line)
        return found
