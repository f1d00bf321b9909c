"""The models that the mapping names, as a real Odoo describes them: the stand-in of the tests knows these fields alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from include.erp.jsonrpc.odoo import EXTERNAL, Odoo
from include.erp.mapping.loading import mapping_path

FIRST = ("res.users", "account.account")
"""Beside those of the mapping: whose company is ours; what people's entries are made of."""
BESIDE = ("company_id", "move_id", "account_id")


def keep(api: Odoo, path: Path) -> None:
    """JSON: model -> field -> [type, required, model that it leads to]."""
    text = Path(mapping_path("odoo")).read_text(encoding="utf-8")
    words = {*re.findall(r"[a-z_]+", text), *BESIDE}
    waiting = {*FIRST, *re.findall(r"(?:model|create|write|find): ([a-z_]+(?:\.[a-z_]+)+)", text)}
    found: dict[str, dict[str, Any]] = {}
    while waiting:
        model = waiting.pop()
        fields = {name: field for name, field in api.fields(model).items() if name in words and name != EXTERNAL}
        found[model] = {name: [field.type, field.required, field.relation] for name, field in sorted(fields.items())}
        waiting |= {field.relation for field in fields.values() if field.relation} - found.keys()
    lines = (
        f' "{model}": {{\n' + ",\n".join(f'  "{name}": {json.dumps(row)}' for name, row in fields.items()) + "\n }"
        for model, fields in sorted(found.items())
    )
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
