"""An exchange folder with a stand-in clerk: exports of an ERP of no make, an import that takes files away and answers them."""

from __future__ import annotations

import csv
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from include.erp.files.grammar import FilesMapping
from include.erp.files.transport import FilesTransport
from include.erp.mapping.loading import read_mapping
from include.erp.system import MappedSystem

NOW = datetime(2026, 9, 2, 6, tzinfo=UTC)

FORMAT = """\
  import: {records: {H: [CO, NO, KIND, JOB, VENDOR, TITLE, TOTAL, MARK], L: [NO, POS, WHAT, CODE, TYPE, AMOUNT]}}
"""
HEAD = """\
        - record: H
          columns: {CO: company, NO: number, KIND: kind, JOB: project, VENDOR: vendor, TITLE: title, TOTAL: amount, MARK: marker}
"""
LINES = """\
        - record: L
          each: lines
          columns: {NO: header__number, POS: position, WHAT: description, CODE: cost_code, TYPE: cost_type, AMOUNT: amount}
"""
JOINED = """\
      from: {file: "contract_lines_*.csv", dated: "%Y%m%d", may_be_empty: true}
      join: {CO: CO, NO: NO}
"""
MAPPING = (
    """\
kind: files
system: jobbook
max_age: 26 hours
formats:
"""
    + FORMAT
    + """\
acknowledgements:
  from: "*.csv"
  file: FILE
  marker: MARK
  status: RESULT
  done: [OK]
  refused: [ERROR, REJECTED]
  said: TEXT
  id: ID
entities:
  vendors:
    from: vendors.csv
    id: VENDOR
    company: CO
    number: VENDOR
    fields:
      name: NAME
      active: {column: ACTIVE, map: {Y: true, N: false}}
  commitments:
    from: {file: "contracts_*.csv", dated: "%Y%m%d", may_be_empty: true}
    id: NO
    company: CO
    number: NO
    scope: JOB
    fields:
      kind: {column: KIND, map: {S: subcontract, P: purchase_order}}
      project: JOB
      vendor: VENDOR
      title: TITLE
      status: {column: ST, map: {O: open, C: closed, V: void}, write_map: {Approved: O}}
      amount: TOTAL
    lines:
"""
    + JOINED
    + """\
      fields:
        id: "{NO}/{POS}"
        position: POS
        description: WHAT
        cost_code: CODE
        cost_type: TYPE
        amount: AMOUNT
    find: {marker: MARK, void: {status: void}}
    capabilities: {create: true}
    write:
      file: {name: "contracts_{company}_{run}_{sequence}_{tag}.csv", format: import}
      create:
"""
    + HEAD
    + LINES
)

HEADER = ("CO", "NO", "KIND", "JOB", "VENDOR", "TITLE", "TOTAL", "MARK")
CONTRACT = ("CO", "NO", "KIND", "JOB", "VENDOR", "TITLE", "ST", "TOTAL", "MARK")
LINE = ("CO", "NO", "POS", "WHAT", "CODE", "TYPE", "AMOUNT")


class Exchange:
    """The folders on both sides' disk. The clerk's hand in it uses nothing of the product's."""

    def __init__(self, root: Path) -> None:
        self.root, self.now = root, NOW
        for name in ("exports", "imports", "acknowledgements", "sent"):
            (root / name).mkdir()
        self.contracts: list[dict[str, str]] = []
        self.lines: list[dict[str, str]] = []
        self.answered = 0
        self.put("exports/vendors.csv", "CO,VENDOR,NAME,ACTIVE\r\n01,V1,Acme,Y\r\n")
        self.export()

    def put(self, name: str, content: str | bytes, age: timedelta = timedelta(hours=1)) -> Path:
        path = self.root / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        moment = (self.now - age).timestamp()
        os.utime(path, (moment, moment))
        return path

    def table(self, name: str, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
        with (self.root / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        moment = (self.now - timedelta(hours=1)).timestamp()
        os.utime(self.root / name, (moment, moment))

    def export(self, day: str = "20260902") -> None:
        self.table(f"exports/contracts_{day}.csv", CONTRACT, self.contracts)
        self.table(f"exports/contract_lines_{day}.csv", LINE, self.lines)

    def waiting(self) -> list[str]:
        return sorted(path.name for path in (self.root / "imports").iterdir())

    def dropped(self) -> list[list[str]]:
        """The lines of all files that wait."""
        return [row for name in self.waiting() for row in csv.reader((self.root / "imports" / name).read_text().splitlines())]

    def take(self) -> list[str]:
        """The import: every file is read, entered and moved away. Returns their names."""
        taken = self.waiting()
        company = ""
        for name in taken:
            for kind, *fields in csv.reader((self.root / "imports" / name).read_text(encoding="utf-8").splitlines()):
                if kind == "H":
                    company = fields[0]
                    self.contracts.append(
                        dict(zip(("CO", "NO", "KIND", "JOB", "VENDOR", "TITLE", "TOTAL", "MARK"), fields, strict=True), ST="O")
                    )
                else:
                    self.lines.append({"CO": company} | dict(zip(LINE[1:], fields, strict=True)))
            (self.root / "imports" / name).unlink()
        return taken

    def answer(self, *rows: tuple[str, ...]) -> None:
        """FILE, MARK, RESULT, TEXT, ID"""
        self.answered += 1
        text = "".join(",".join(row) + "\r\n" for row in (("FILE", "MARK", "RESULT", "TEXT", "ID"), *rows))
        self.put(f"acknowledgements/ack_{self.answered:03}.csv", text)

    def system(self, *changes: tuple[str, str], text: str = MAPPING, **more: Any) -> MappedSystem:
        """The ERP through its mapping, in which each (old, new) is replaced."""
        for old, new in changes:
            assert text.count(old) >= 1, old
            text = text.replace(old, new)
        path = self.root / "jobbook.yaml"
        path.write_text(text, encoding="utf-8")
        mapping = read_mapping(path, FilesMapping)
        transport = FilesTransport(str(self.root), mapping, now=lambda: self.now)
        return MappedSystem(mapping, transport, origin_system="procore:8089", **more)
