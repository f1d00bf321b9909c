"""An office with Sage 300 CRE, as include/mappings/sage_300_cre.yaml takes it to be: a folder whose files are imported by hand, a
journal of the imports, and a replica in SQL that shows the books as they were when it was last brought up to date."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from include.erp.registry import connected, load_mapping
from include.erp.system import MappedSystem

SCHEMA = Path(__file__).parent / "mapping" / "schemas" / "sage_300_cre.sql"
MAPPING = """\
extends: sage_300_cre
system: {system}
now: SELECT MAX(shown) FROM replicated
max_age: 26 hours
timezone: UTC
formats: {{ap_import: {{encoding: utf-8}}, jc_import: {{encoding: utf-8}}}}
"""
"""The template, with what a site must say of its own replica."""
RECORDS: Mapping[str, Sequence[str]] = {
    "JCCM": "Commitment Type Description Vendor Job Date Retainage_Percent Procore_Marker".split(),
    "JCCI": "Commitment Item Description Job Extra Cost_Code Category Units Unit_Cost Amount".split(),
    "JCCO": "Commitment Change_Order Description Job Date Amount Procore_Marker".split(),
    "JCOI": "Commitment Change_Order Change_Item Item Description Job Extra Cost_Code Category Amount".split(),
    "APIF": "Vendor Invoice Description Amount Retainage Invoice_Date Accounting_Date Procore_Marker Procore_Draw".split(),
    "APDF": "Commitment Commitment_Line Job Extra Cost_Code Category Amount Retainage".split(),
}
HEADS = {"JCCM": ("Commitment",), "JCCO": ("Commitment", "Change_Order"), "APIF": ("Vendor", "Invoice")}
"""Kinds of lines that begin a document, and its key."""
Lines = list[dict[str, str]]


class Office:
    def __init__(self, folder: Path, shown: datetime) -> None:
        self.folder, self.shown = folder, shown
        for name in ("imports", "journals", "procore-sent"):
            (folder / name).mkdir(parents=True)
        self.engine = sa.create_engine(f"sqlite:///{folder}/replica.sqlite")
        raw: Any = self.engine.raw_connection()
        raw.executescript(SCHEMA.read_text(encoding="utf-8") + "CREATE TABLE replicated (shown TEXT);")
        raw.close()
        self.books: list[tuple[str, dict[str, str], Lines]] = []
        """What was imported, and the replica does not show yet: kind of its first line, that line, the others."""
        self.keys: set[tuple[str, ...]] = set()
        self.imported: list[str] = []
        """Markers, each as often as it was imported."""
        self.refuses: dict[str, str] = {}
        """Marker's last part -> why the import rejects the document."""
        self.journals = 0
        self.refresh()

    def system(self, system: str = "sage300", **options: Any) -> MappedSystem:
        """The ERP through its mapping, opened as by another process."""
        path = self.folder / "sage.yaml"
        path.write_text(MAPPING.format(system=system), encoding="utf-8")
        return connected(
            self.engine.url,
            load_mapping(path),
            origin_system="procore:8089",
            writes=self.folder,
            now=lambda: self.shown,
            **options,
        )

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def rows(self, sql: str) -> list[Any]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(sql))]

    # -- the clerk

    def waiting(self) -> list[str]:
        """Names of the files that nobody has imported."""
        return sorted(path.name for path in (self.folder / "imports").iterdir() if path.suffix != ".part")

    def take(self, *, journal: bool = True) -> None:
        """The import: every file is read, entered and moved away; the journal says what came of each document."""
        told: list[Sequence[str]] = [("Import_File", "Procore_Marker", "Result", "Message")]
        for name in self.waiting():
            path = self.folder / "imports" / name
            for kind, head, lines in _documents(path.read_text(encoding="utf-8")):
                marker = head["Procore_Marker"]
                key = (kind, *(head[name] for name in HEADS[kind]))
                why = "The number is in use" if key in self.keys else self.refuses.get(marker.rpartition(":")[2])
                if why:
                    told.append((name, marker, "Rejected", why))
                    continue
                self.keys.add(key)
                self.imported.append(marker)
                self.books.append((kind, head, lines))
                told.append((name, marker, "Imported", ""))
            path.unlink()
        if journal:
            self.journals += 1
            with (self.folder / "journals" / f"journal-{self.journals}.csv").open("w", newline="", encoding="cp1252") as file:
                csv.writer(file).writerows(told)

    def refresh(self, shown: datetime | None = None) -> None:
        """The replica is brought up to date."""
        self.shown = shown or self.shown
        for kind, head, lines in self.books:
            self._show(kind, head, lines)
        self.books = []
        self.run("DELETE FROM replicated", f"INSERT INTO replicated VALUES ('{self.shown:%Y-%m-%d %H:%M:%S}')")

    def _show(self, kind: str, head: dict[str, str], lines: Lines) -> None:
        if kind == "JCCM":
            own = {"Amount": str(sum((Decimal(one["Amount"]) for one in lines), Decimal(0))), "Approved_Commitment_Changes": "0"}
            self._insert("JCM_MASTER__COMMITMENT", head | own | {"Closed": "N", "Date": _day(head["Date"])})
            self._insert("JCM_MASTER__COMMITMENT_CUSTOM_FIELDS", head)
            for line in lines:
                self._insert("JCM_MASTER__COMMITMENT_ITEM", line)
        elif kind == "JCCO":
            self._insert("JCM_MASTER__COMMITMENT_CO", head | {"Status": "Approved", "Date": _day(head["Date"])})
            self._insert("JCM_MASTER__COMMITMENT_CO_CUSTOM_FIELDS", head)
            for line in lines:
                self._insert("JCM_MASTER__COMMITMENT_CO_ITEM", line)
            self.run(
                "UPDATE JCM_MASTER__COMMITMENT SET Approved_Commitment_Changes = (SELECT PRINTF('%.2f', SUM(c.Amount)) FROM"
                " JCM_MASTER__COMMITMENT_CO c WHERE c.Commitment = JCM_MASTER__COMMITMENT.Commitment)"
                f" WHERE Commitment = '{head['Commitment']}'"
            )
        else:
            dates = {name: _day(head[name]) for name in ("Invoice_Date", "Accounting_Date")}
            own = {"Status": "Entered", "Job": lines[0]["Job"], "Commitment": lines[0]["Commitment"]}
            self._insert("APM_MASTER__INVOICE", head | own | dates)
            self._insert("APM_MASTER__INVOICE_CUSTOM_FIELDS", head)
            for at, line in enumerate(lines, 1):
                key = {"Vendor": head["Vendor"], "Invoice": head["Invoice"], "Dist_Sequence": str(at)}
                self._insert("APM_MASTER__DISTRIBUTION", line | key)

    def _insert(self, table: str, given: Mapping[str, str]) -> None:
        columns = [name for (name,) in self.rows(f"SELECT name FROM pragma_table_info('{table}')")]
        values = {name: "01" if name == "Data_Folder_Id" else given.get(name) or None for name in columns}
        with self.engine.begin() as connection:
            marks = ", ".join(f":{name}" for name in columns)
            connection.execute(sa.text(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"), values)


def _documents(text: str) -> Iterator[tuple[str, dict[str, str], Lines]]:
    found: list[tuple[str, dict[str, str], Lines]] = []
    for kind, *fields in csv.reader(text.splitlines()):
        row = dict(zip(RECORDS[kind], fields, strict=True))
        if kind in HEADS:
            found.append((kind, row, []))
        else:
            found[-1][2].append(row)
    yield from found


def _day(text: str) -> str:
    """The replica has real dates."""
    return datetime.strptime(text, "%m/%d/%Y").replace(tzinfo=UTC).date().isoformat() if text else ""
