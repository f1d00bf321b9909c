"""Stand-ins for the two products whose mappings come as templates: what their import and export do, as their mappings say it.
They prove that a mapping is of one piece, and nothing about the products. They read and write files by themselves."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from include.erp.files.transport import FilesTransport
from include.erp.mapping.loading import mapping_path
from include.erp.registry import load_mapping
from include.erp.system import MappedSystem
from tests.unit.erp.files.exchange import NOW

Rows = list[dict[str, str]]


class Clerk:
    """Import folder on one side, exports on the other, and the books between them."""

    mapping: str
    encoding = "cp1252"

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("exports", "imports", "journals", "procore-sent"):
            (root / name).mkdir()
        self.export()

    def system(self) -> MappedSystem:
        mapping: Any = load_mapping(mapping_path(self.mapping))
        return MappedSystem(mapping, FilesTransport(self.root, mapping, now=lambda: NOW), origin_system="procore:8089")

    def files(self) -> Iterator[tuple[str, list[str]]]:
        """What waits, file by file; read and taken away."""
        for path in sorted((self.root / "imports").iterdir()):
            yield path.name, path.read_text(encoding=self.encoding).split("\n")[:-1]
            path.unlink()

    def write(self, name: str, rows: Sequence[Sequence[str]], delimiter: str = ",") -> None:
        path = self.root / name
        with path.open("w", newline="", encoding=self.encoding) as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)
        moment = (NOW - timedelta(hours=1)).timestamp()
        os.utime(path, (moment, moment))

    def table(self, name: str, columns: str, rows: Rows) -> None:
        names = columns.split()
        self.write(f"exports/{name}_20260902.csv", [names, *([row.get(one, "") for one in names] for row in rows)])

    def export(self) -> None:
        raise NotImplementedError


class Sage(Clerk):
    mapping = "sage_300_cre_files"

    def __init__(self, root: Path) -> None:
        self.held: set[str] = set()
        self.commitments: Rows = []
        self.items: Rows = []
        self.changes: Rows = []
        self.change_items: Rows = []
        self.invoices: Rows = []
        self.distributions: Rows = []
        self.payments: Rows = []
        self.costs: Rows = [
            {"Transaction_ID": "88", "Transaction_Type": "JC cost", "Amount": "12.50", "Category": "M", "Description": "Nails"},
            {"Transaction_ID": "89", "Transaction_Type": "Approved est changes", "Amount": "1.00"},
        ]
        super().__init__(root)

    def take(self) -> None:
        """Imports what waits; an invoice or commitment of a vendor on hold is rejected, with its lines, and so is a change order
        of a commitment that is not there."""
        journal: list[tuple[str, str, str, str]] = []
        for name, lines in self.files():
            refused = False
            for kind, *fields in csv.reader(lines):
                row = dict(zip(HEADS[kind], fields, strict=True))
                if kind in ("JCCM", "JCCO", "APIF"):
                    if kind == "JCCO":
                        refused = row["Commitment"] not in {one["Commitment"] for one in self.commitments}
                        said = f"Commitment {row['Commitment']} is not on file"
                    else:
                        refused, said = row["Vendor"] in self.held, f"Vendor {row['Vendor']} is on hold"
                    journal.append((name, row["Procore_Marker"], *(("Rejected", said) if refused else ("Imported", ""))))
                    head = row
                    if not refused:
                        entered = {"JCCM": self.commitments, "JCCO": self.changes, "APIF": self.invoices}[kind]
                        entered.append(row | {"Closed": "N", "Status": "Approved"})
                elif not refused:
                    if kind in ("JCCI", "JCOI"):
                        (self.items if kind == "JCCI" else self.change_items).append(row)
                    else:
                        number = str(1 + sum(one["Invoice"] == head["Invoice"] for one in self.distributions))
                        self.distributions.append(
                            row | {"Vendor": head["Vendor"], "Invoice": head["Invoice"], "Dist_Sequence": number}
                        )
        self.write("journals/journal.csv", [("Import_File", "Procore_Marker", "Result", "Message"), *journal])

    @staticmethod
    def total(items: Rows, number: str) -> Decimal:
        return sum((Decimal(item["Amount"]) for item in items if item["Commitment"] == number), Decimal(0))

    def export(self) -> None:
        job = {"Job": "25-104", "Data_Folder_Id": "1"}
        table = self.table
        vendors = [
            {"Vendor": one, "Name": f"Vendor {one}", "Inactive": "N", "Payment_Hold": "Y" if one in self.held else "N"}
            for one in ("V1", "V2")
        ]
        table("APM_MASTER__VENDOR", "Data_Folder_Id Vendor Name Tax_ID Inactive Payment_Hold Address_1 City State ZIP",
              [one | {"Data_Folder_Id": "1"} for one in vendors])  # fmt: skip
        table(
            "JCM_MASTER__JOB", "Data_Folder_Id Job Description Status", [job | {"Description": "Clinic", "Status": "In progress"}]
        )
        table("JCM_MASTER__EXTRA", "Data_Folder_Id Job Extra Description", [])
        table("JCM_MASTER__STANDARD_CATEGORY", "Data_Folder_Id Category Description",
              [{"Data_Folder_Id": "1", "Category": "M", "Description": "Material"}])  # fmt: skip
        code = {"Cost_Code": "03-1000", "Description": "Concrete", "Group_Cost_Code": "N", "Categories": "M S"}
        table("JCM_MASTER__COST_CODE", "Data_Folder_Id Job Extra Cost_Code Description Group_Cost_Code Categories",
              [job | code])  # fmt: skip
        contracts = [
            job
            | row
            | {
                "Amount": str(self.total(self.items, row["Commitment"])),
                "Approved_Commitment_Changes": str(self.total(self.change_items, row["Commitment"])),
            }
            for row in self.commitments
        ]
        table("JCM_MASTER__COMMITMENT",
              "Data_Folder_Id Commitment Type Job Vendor Description Closed Date Retainage_Percent Amount "
              "Approved_Commitment_Changes Procore_Marker",
              contracts)  # fmt: skip
        table("JCM_MASTER__COMMITMENT_ITEM",
              "Data_Folder_Id Commitment Item Description Job Extra Cost_Code Category Amount Units Unit_Cost",
              [job | row for row in self.items])  # fmt: skip
        table("JCM_MASTER__COMMITMENT_CO",
              "Data_Folder_Id Commitment Change_Order Job Description Status Date Amount Procore_Marker",
              [job | row for row in self.changes])  # fmt: skip
        table("JCM_MASTER__COMMITMENT_CO_ITEM",
              "Data_Folder_Id Commitment Change_Order Change_Item Item Description Job Extra Cost_Code Category Amount",
              [job | row for row in self.change_items])  # fmt: skip
        table("APM_MASTER__INVOICE",
              "Data_Folder_Id Vendor Invoice Job Commitment Procore_Draw Status Invoice_Date Accounting_Date Amount Retainage "
              "Procore_Marker",
              [job | row | {"Status": "Posted", "Commitment": "SC-1"} for row in self.invoices])  # fmt: skip
        table("APM_MASTER__DISTRIBUTION",
              "Data_Folder_Id Vendor Invoice Dist_Sequence Commitment_Line Job Extra Cost_Code Category Amount Retainage",
              [job | row for row in self.distributions])  # fmt: skip
        table("APM_MASTER__INVOICE_PAYMENT",
              "Data_Folder_Id Bank_Account Payment_ID Vendor Invoice Job Commitment Payment_Type Payment_Date Voided "
              "Payment_Amount Discount_Taken", [job | row for row in self.payments])  # fmt: skip
        table("JCT_CURRENT__TRANSACTION",
              "Data_Folder_Id Transaction_ID Transaction_Type Job Extra Cost_Code Category Vendor Invoice Description "
              "Transaction_Date Accounting_Date Commitment Amount Units",
              [job | {"Cost_Code": "03-1000", "Transaction_Date": "08/31/2026", "Accounting_Date": "08/31/2026"} | row
               for row in self.costs])  # fmt: skip


HEADS = {
    "JCCM": "Commitment Type Description Vendor Job Date Retainage_Percent Procore_Marker".split(),
    "JCCI": "Commitment Item Description Job Extra Cost_Code Category Units Unit_Cost Amount".split(),
    "JCCO": "Commitment Change_Order Description Job Date Amount Procore_Marker".split(),
    "JCOI": "Commitment Change_Order Change_Item Item Description Job Extra Cost_Code Category Amount".split(),
    "APIF": (
        "Vendor Invoice Description Amount Retainage Invoice_Date Accounting_Date Procore_Marker Procore_Draw".split()
    ),
    "APDF": "Commitment Commitment_Line Job Extra Cost_Code Category Amount Retainage".split(),
}  # fmt: skip

REPORT = (
    "Trans #", "Type", "Num", "Date", "Source Name", "Memo", "Name", "Item", "Item Description", "Amount", "Total",
    "Posting Status",
)  # fmt: skip


class QuickBooks(Clerk):
    mapping = "quickbooks_iif"

    def __init__(self, root: Path) -> None:
        self.report: list[tuple[str, ...]] = []
        self.number = 100
        super().__init__(root)

    def take(self) -> None:
        columns: dict[str, list[str]] = {}
        for _, lines in self.files():
            head: dict[str, str] = {}
            splits: list[dict[str, str]] = []
            for line in lines:
                word, *fields = line.rstrip("\r").split("\t")
                if word.startswith("!"):
                    columns[word[1:]] = fields
                elif word == "TRNS":
                    head, splits = dict(zip(columns["TRNS"], fields, strict=True)), []
                elif word == "SPL":
                    splits.append(dict(zip(columns["SPL"], fields, strict=True)))
                elif word == "ENDTRNS":
                    self.enter(head, splits)

    def enter(self, head: dict[str, str], splits: list[dict[str, str]]) -> None:
        """A transaction that does not come to zero is not entered, as double entry has it."""
        assert sum(Decimal(one["AMOUNT"]) for one in (head, *splits)) == 0, (head, splits)
        self.number += 1
        kind = {"PURCHORD": "Purchase Order", "BILL": "Bill"}[head["TRNSTYPE"]]
        total = head["AMOUNT"].removeprefix("-") if head["AMOUNT"].startswith("-") else f"-{head['AMOUNT']}"
        for one in splits:
            self.report.append((
                str(self.number), kind, head["DOCNUM"], head["DATE"], head["NAME"], head["MEMO"], one["NAME"], one["INVITEM"],
                one.get("MEMO", ""), one["AMOUNT"], total, "Open",
            ))  # fmt: skip

    def export(self) -> None:
        lists = [
            ["!VEND", "NAME", "COMPANYNAME", "ADDR1", "TAXID", "HIDDEN"],
            ["VEND", "V1", "Acme", "1 Main St", "12-3456789", "N"],
            ["!CUST", "NAME", "JOBDESC", "JOBSTATUS"],
            ["CUST", "Clinic Inc", "", "0"],
            ["CUST", "Clinic Inc:25-104", "Clinic", "3"],
            ["!INVITEM", "NAME", "INVITEMTYPE", "DESC", "HIDDEN"],
            ["INVITEM", "03-1000", "SERV", "Concrete", "N"],
            ["INVITEM", "nails", "PART", "Nails", "N"],
        ]
        self.write("exports/lists_20260902.iif", lists, "\t")
        self.write("exports/transactions_20260902.csv", [REPORT, *self.report])
