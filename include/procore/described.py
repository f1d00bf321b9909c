"""What is known of a Procore company without asking it: all that a task which judges, or shows a link, needs of this side."""

from __future__ import annotations

from collections.abc import Mapping

from include.financials.port import Capability
from include.financials.record import Record, Side
from include.procore.address import clean_url, company_number
from include.procore.areas import CAPABILITIES, ENTITIES
from include.procore.resources import web_base, web_url


class DescribedProcore:
    """By its connection: no client, no secret.

    :param base_url: API host; :param company_id: the Procore company.
    """

    side: Side = "procore"
    name = "Procore"

    def __init__(self, base_url: str, company_id: int | str) -> None:
        self.base_url = clean_url(base_url, "The API base URL of the Procore connection")
        self.company_id = company_number(company_id)

    @property
    def namespace(self) -> str:
        """First part of the markers that an ERP's documents made from this company's carry."""
        return f"procore:{self.company_id}"

    def capabilities(self) -> Mapping[str, Capability]:
        return CAPABILITIES

    def web_url(self, record: Record | None = None, address: str | None = None) -> str | None:
        base = address or web_base(self.base_url)
        if record is None:
            return f"{base}/{self.company_id}/company/home"
        return web_url(
            base,
            ENTITIES[record.entity].holding(record),
            company=self.company_id,
            project=getattr(record, "project", None),
            parent=getattr(record, "vendor", None),
            record_id=record.id,
        )
