"""OData, version 4: the rest transport with what all such services share ($filter, $expand, @odata.nextLink, @odata.etag)."""

from __future__ import annotations

from typing import Literal

from include.erp.rest.asking import Path
from include.erp.rest.grammar import Errors, Paging, RestMapping
from include.erp.rest.transport import RestTransport
from include.erp.transport import Adapter


class ODataMapping(RestMapping):
    kind: Literal["odata"] = "odata"  # type: ignore[assignment]
    filter: Literal["odata", "parameters"] = "odata"
    paging: Paging = Paging(preset="next", link='"@odata.nextLink"', prefer="odata.maxpagesize")
    records: Path = "value"
    etag: Path | Literal["header"] | None = '"@odata.etag"'
    errors: Errors = Errors(words="error.message", code="error.code")


ADAPTER = Adapter(ODataMapping, RestTransport)
