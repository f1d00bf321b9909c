"""Job 25-104 to the cent, as Procore's API shows it and as the ERP's tables hold it after the first run
(docs/domain-rules.md 5.3).

Nothing here is taken from the ledger of the sync: both sides are asked themselves. Amounts are Decimal; those of the ERP are made
of cents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

import pytest

from tests.end_to_end.world import State, World

JOB, PROJECT = "25-104", 4620000000
PRIME = {
    "General conditions": 742_000, "Demolition and clearing": 221_000, "Earthwork and utilities": 864_000, "Concrete": 1_536_000,
    "Masonry": 388_000, "Steel and metals": 1_742_000, "Carpentry": 246_000, "Thermal and moisture": 731_000, "Openings": 918_000,
    "Finishes": 1_284_000, "Elevator": 262_000, "Fire suppression": 214_000, "Plumbing": 672_000, "HVAC": 1_148_000,
    "Electrical": 1_004_000, "Insurance and bonds": 148_000, "Fee": 360_000,
}  # fmt: skip
COMMITMENTS = """
104-SC-001   184200.00   6840.00   191040.00
104-SC-002   763500.00      0.00   763500.00
104-SC-003  1486000.00  28750.00  1514750.00
104-SC-004   998400.00  18620.00  1017020.00
104-SC-005   361250.00      0.00   361250.00
104-SC-006   439900.00      0.00   439900.00
104-SC-007   619300.00  -4150.00   615150.00
104-SC-008  1048750.00      0.00  1048750.00
104-SC-009   917600.00  12480.00   930080.00
104-PO-001   118450.00      0.00   118450.00
104-PO-002    68390.30      0.00    68390.30
104-PO-003    86400.00      0.00    86400.00
"""
BUDGET = """
00-6100 O  132000
01-2100 O  250000
01-3100 L  312000
01-3100 O   38000
01-5000 E   96000
01-5000 M   54000
01-7400 L   41000
02-4100 C  188000
31-1000 C   17000
31-2000 C  512000
33-1000 C  268000
03-3000 C 1018000
03-3000 L  148000
03-3000 M  286000
04-2000 C  366000
05-1200 C 1115000
05-3100 C  247000
05-5000 C  178000
06-1000 L   92000
06-1000 M  118000
07-2100 C  214000
07-5000 C  448000
08-1100 M   78000
08-4000 C  752000
09-2900 C  566000
09-5100 C  187000
09-6500 C  203000
09-9100 C  176000
14-2000 C  241000
21-1000 C  196000
22-1000 C  628000
23-3000 C 1066000
26-2000 C  931000
"""
DIRECT = """
01-3100 L  72559.20
01-3100 O      0.00
01-5000 E   9850.00
01-5000 M   7412.18
03-3000 L  40274.85
06-1000 M  12027.41
"""
OWNER_INVOICES = """
104-OI-01 1148600.00 122400.00 1271000.00 1271000.00 127100.00 1143900.00       0.00 1143900.00 12480000.00 11336100.00
104-OI-02 1731250.00  74400.00 2954250.00 1683250.00 295425.00 2658825.00 1143900.00 1514925.00 12532300.00  9873475.00
104-OI-03 1496875.00  51900.00 4428625.00 1474375.00 442862.50 3985762.50 2658825.00 1326937.50 12521100.00  8535337.50
"""
"""Number, work, stored, T, G, R, E, less previous, due, contract to date, balance to finish."""
DRAWS = {
    "104-SC-003": """
4417-01  416500.00  41650.00      0.00   41650.00   374850.00  374850.00  1111150.00
4417-02  545575.00  54557.50      0.00   96207.50   865867.50  491017.50   658382.50
4417-03  318800.00  31880.00  11050.00  117037.50  1163837.50  297970.00   350912.50
""",
    "104-SC-001": """
104-SC-001-01  132200.00  13220.00      0.00  13220.00  118980.00  118980.00  65220.00
104-SC-001-02   58840.00   5884.00      0.00  19104.00  171936.00   52956.00  19104.00
104-SC-001-03       0.00      0.00  19104.00      0.00  191040.00   19104.00      0.00
""",
}
"""Number, G, held, released, R, E, due, balance to finish."""
STEEL_BY_CODE = {
    "4417-01": {"05-1200": "416500.00"},
    "4417-02": {"05-1200": "443375.00", "05-3100": "102200.00"},
    "4417-03": {"05-1200": "171175.00", "05-3100": "105225.00", "05-5000": "42400.00"},
}
ERP_TYPES = {"1": "L", "2": "M", "3": "C", "4": "E", "5": "O"}
W, S, MOVED = "work_completed_this_period", "materials_presently_stored", "materials_moved"
S_BEFORE, HELD, RELEASED = (
    "materials_presently_stored_from_previous_progress",
    "work_completed_retainage_retained_this_period",
    "work_completed_retainage_released_this_period",
)
STORED_HELD, STORED_RELEASED = "materials_stored_retainage_currently_retained", "materials_stored_retainage_released_this_period"
Row = dict[str, Any]


def table(text: str) -> dict[str, tuple[Decimal, ...]]:
    """Rows of a table by their first word; by the first two where the second is a cost type."""
    found = {}
    for row in text.strip().splitlines():
        words = row.split()
        name = 2 if words[1].isalpha() else 1
        found[" ".join(words[:name])] = tuple(Decimal(word) for word in words[name:])
    return found


def money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def total(rows: Iterable[Mapping[str, Any]], *names: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows for name in names), Decimal("0.00"))


def by_code(pairs: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(lambda: Decimal("0.00"))
    for code, amount in pairs:
        found[code] += amount
    return {code: amount for code, amount in found.items() if amount}


class Job:
    """The job's documents on both sides, each list read once."""

    def __init__(self, world: World) -> None:
        self.world = world

    @cached_property
    def contracts(self) -> dict[str, Row]:
        kinds = ("work_order_contracts", "purchase_order_contracts")
        rows = [
            row | {"kind": kind} for kind in kinds for row in self.world.api_list(f"/{kind}", project_id=PROJECT, view="extended")
        ]
        return {row["number"]: row for row in rows if row["origin_id"]}

    @cached_property
    def prime(self) -> Row:
        (found,) = self.world.api_list("/prime_contracts", project_id=PROJECT)
        return found | self.world.api(f"/prime_contract/{found['id']}", project_id=PROJECT)

    @cached_property
    def owner_invoices(self) -> dict[str, Row]:
        rows = self.world.api_list("/payment_applications", project_id=PROJECT)
        return {
            row["invoice_number"]: row | self.world.api(f"/payment_applications/{row['id']}", project_id=PROJECT) for row in rows
        }

    @cached_property
    def packages(self) -> list[Row]:
        return self.world.api_list("/change_order_packages", project_id=PROJECT)

    @cached_property
    def requisitions(self) -> list[Row]:
        return self.world.api_list("/rest/v1.1/requisitions", project_id=PROJECT, view="items")

    def draws(self, number: str) -> list[Row]:
        """The invoices of a commitment, in order."""
        contract = self.contracts[number]["id"]
        return sorted((row for row in self.requisitions if row["commitment_id"] == contract), key=lambda row: int(row["number"]))

    def payments(self, contract: int) -> list[Row]:
        return self.world.api_list("/contract_payments", project_id=PROJECT, contract_id=contract)

    def lines(self, number: str) -> list[Row]:
        contract = self.contracts[number]
        return self.world.api_list(f"/{contract['kind']}/{contract['id']}/line_items", project_id=PROJECT)

    def erp(self, sql: str) -> list[Row]:
        return self.world.erp(sql)


@pytest.fixture(scope="module")
def job(sandbox: World, settled: State) -> Job:
    sandbox.back_to(settled)
    return Job(sandbox)


# -- the owner ------------------------------------------------------------------------------------------------------------------


def test_the_prime_contract(job: Job) -> None:
    lines = job.world.api_list(f"/prime_contracts/{job.prime['id']}/line_items", project_id=PROJECT)
    assert {row["description"]: Decimal(row["amount"]) for row in lines} == PRIME
    rows = job.erp("SELECT description, amount_cents FROM prime_contract_lines WHERE number = '104-PC-001'")
    assert {row["description"]: money(row["amount_cents"]) for row in rows} == PRIME
    assert sum(PRIME.values()) == 12_480_000 == Decimal(job.prime["grand_total"])
    assert job.prime["revised_contract_amount"] == "12521100.00"
    (contract,) = job.erp("SELECT * FROM v_prime_contracts WHERE number = '104-PC-001'")
    assert (contract["amount_cents"], contract["changes_cents"], contract["current_cents"]) == (
        1_248_000_000, 4_110_000, 1_252_110_000,
    )  # fmt: skip


def test_the_prime_changes(job: Job) -> None:
    """Two approved ones on both sides, the pending one in Procore only."""
    packages = {row["number"]: row for row in job.packages if row["contract_id"] == job.prime["id"]}
    assert {n: (row["status"], Decimal(row["grand_total"])) for n, row in packages.items()} == {
        "001": ("approved", Decimal(52_300)), "002": ("approved", Decimal(-11_200)), "003": ("pending", Decimal(21_750)),
    }  # fmt: skip
    rows = job.erp("SELECT number, status, amount_cents, markup_cents FROM prime_changes WHERE prime_contract = '104-PC-001'")
    assert {row["number"]: (row["status"], money(row["amount_cents"])) for row in rows} == {
        "001": ("posted", Decimal(52_300)), "002": ("posted", Decimal(-11_200)),
    }  # fmt: skip


@pytest.mark.parametrize("number", table(OWNER_INVOICES))
def test_owner_invoices(job: Job, number: str) -> None:
    work, stored, completed, gross, retainage, earned, before, due, contract, balance = table(OWNER_INVOICES)[number]
    shown = job.owner_invoices[number]
    g702, items = shown["g702"], shown["g703"]
    assert (total(items, W), total(items, S)) == (work, stored)
    assert Decimal(shown["total_amount_accrued_this_period"]) == gross
    names = (
        *("total_completed_and_stored_to_date", "total_retainage", "total_earned_less_retainage"),
        *("less_previous_certificates_for_payment", "current_payment_due", "contract_sum_to_date"),
        "balance_to_finish_including_retainage",
    )
    assert tuple(Decimal(g702[name]) for name in names) == (completed, retainage, earned, before, due, contract, balance)
    rows = job.erp(f"SELECT * FROM v_ar_invoices WHERE prime_contract = '104-PC-001' AND invoice <= '{number}' ORDER BY sequence")
    (here, earlier) = (rows[-1], rows[:-1])
    assert (money(here["gross_cents"]), money(here["due_cents"])) == (gross, due)
    assert sum(money(row["gross_cents"]) for row in rows) == completed
    assert sum(money(row["held_cents"] - row["released_cents"]) for row in rows) == retainage
    assert sum(money(row["due_cents"]) for row in rows) == earned
    assert sum(money(row["due_cents"]) for row in earlier) == before
    dated = f"change_date <= '{here['invoice_date']}'"
    (changed,) = job.erp(
        f"SELECT coalesce(sum(amount_cents), 0) AS n FROM prime_changes WHERE prime_contract = '104-PC-001' AND {dated}"
    )
    assert 12_480_000 + money(changed["n"]) == contract and contract - earned == balance
    lines = job.erp(f"SELECT sum(gross_cents) AS g, sum(held_cents) AS h FROM ar_invoice_lines WHERE invoice = '{number}'")
    assert (lines[0]["g"], lines[0]["h"]) == (here["gross_cents"], here["held_cents"])


def test_receipts_and_the_open_receivable(job: Job) -> None:
    paid = {(row["date"], Decimal(row["amount"]), row["draw_request_number"]) for row in job.payments(job.prime["id"])}
    assert {(day, amount) for day, amount, _ in paid} == {
        ("2026-08-31", Decimal("1143900.00")), ("2026-09-28", Decimal("1500000.00")),
    }  # fmt: skip
    assert {int(number) for *_, number in paid} == {1, 2}  # of the owner invoice: Procore has no other field for it
    rows = job.erp("SELECT * FROM v_receipt_lines WHERE prime_contract = '104-PC-001' AND status = 'posted'")
    assert {(row["receipt_date"], money(row["amount_cents"]), row["sequence"]) for row in rows} == paid
    earned = Decimal(job.owner_invoices["104-OI-03"]["g702"]["total_earned_less_retainage"])
    assert earned - sum(amount for _, amount, _ in paid) == Decimal("1341862.50")
    dues = sum(row["due_cents"] for row in job.erp("SELECT due_cents FROM v_ar_invoices WHERE prime_contract = '104-PC-001'"))
    assert money(dues - sum(row["amount_cents"] for row in rows)) == Decimal("1341862.50")
    short = Decimal(job.owner_invoices["104-OI-02"]["g702"]["current_payment_due"]) - Decimal("1500000.00")
    assert short == Decimal("14925.00")


# -- commitments ----------------------------------------------------------------------------------------------------------------


def test_twelve_commitments(job: Job) -> None:
    wanted = table(COMMITMENTS)
    procore = {
        number: tuple(Decimal(row[name]) for name in ("grand_total", "approved_change_orders", "revised_contract"))
        for number, row in job.contracts.items()
    }
    assert procore == wanted
    erp = {
        row["number"]: tuple(money(row[f"{name}_cents"]) for name in ("amount", "changes", "current"))
        for row in job.erp(f"SELECT * FROM v_commitments WHERE job = '{JOB}'")
    }
    assert erp == wanted
    sums = tuple(sum(column) for column in zip(*wanted.values(), strict=True))
    assert sums == (Decimal("7092140.30"), Decimal("62540.00"), Decimal("7154680.30"))


def test_what_steel_commits_by_code(job: Job) -> None:
    wanted = {"05-1200": Decimal(1_110_750), "05-3100": Decimal(240_500), "05-5000": Decimal(163_500)}
    contract = job.contracts["104-SC-003"]["id"]
    lines = job.lines("104-SC-003")
    for package in job.packages:
        if package["contract_id"] == contract and package["status"] == "approved":
            found = job.world.api(f"/change_order_packages/{package['id']}", project_id=PROJECT)["line_items"]
            lines += [line | {"amount": line["extended_amount"]} for line in found]
    assert by_code((line["cost_code"]["full_code"], Decimal(line["amount"])) for line in lines) == wanted
    rows = job.erp(
        "SELECT code, amount_cents FROM commitment_lines WHERE number = '104-SC-003' UNION ALL"
        " SELECT code, amount_cents FROM change_order_lines WHERE commitment = '104-SC-003'"
    )
    assert by_code((row["code"], money(row["amount_cents"])) for row in rows) == wanted


def test_the_schedule_of_values_and_the_changes_of_steel(job: Job) -> None:
    wanted = [62_000, 48_500, 612_000, 318_000, 146_000, 94_500, 173_000, 32_000]
    assert [Decimal(line["amount"]) for line in job.lines("104-SC-003")] == wanted
    rows = job.erp("SELECT amount_cents FROM commitment_lines WHERE number = '104-SC-003' ORDER BY line_no")
    assert [money(row["amount_cents"]) for row in rows] == wanted
    rows = job.erp(
        "SELECT number, commitment_line, code, amount_cents FROM change_order_lines"
        " WHERE commitment = '104-SC-003' ORDER BY number, line_no"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("001", None, "05-1200", 2_675_000), ("001", None, "05-1200", 1_150_000), ("002", 7, "05-5000", -950_000),
    ]  # fmt: skip


@pytest.mark.parametrize(("commitment", "number"), [(c, n) for c, text in DRAWS.items() for n in table(text)])
def test_draws(job: Job, commitment: str, number: str) -> None:
    gross, held, released, retainage, earned, due, balance = table(DRAWS[commitment])[number]
    draws = job.draws(commitment)
    at = list(table(DRAWS[commitment])).index(number)
    summary, items = draws[at]["summary"], draws[at]["items"]
    earlier = {row["line_item_id"]: row for row in draws[at - 1]["items"]} if at else {}
    stored_held = total(earlier.values(), STORED_HELD)
    assert total(items, W, MOVED, S) - total(items, S_BEFORE) == gross
    assert total(items, HELD, STORED_HELD, STORED_RELEASED) - stored_held == held
    assert total(items, RELEASED, STORED_RELEASED) == released
    names = ("total_retainage", "total_earned_less_retainage", "current_payment_due", "balance_to_finish_including_retainage")
    assert tuple(Decimal(summary[name]) for name in names) == (retainage, earned, due, balance)
    rows = job.erp(f"SELECT * FROM v_ap_invoices WHERE commitment = '{commitment}' AND invoice <= '{number}' ORDER BY sequence")
    here = rows[-1]
    assert [money(here[f"{name}_cents"]) for name in ("gross", "held", "released", "due")] == [gross, held, released, due]
    assert sum(money(row["held_cents"] - row["released_cents"]) for row in rows) == retainage
    assert sum(money(row["due_cents"]) for row in rows) == earned
    lines = job.erp(f"SELECT * FROM ap_invoice_lines WHERE invoice = '{number}'")
    for name in ("gross", "held", "released"):
        assert sum(line[f"{name}_cents"] for line in lines) == here[f"{name}_cents"]


@pytest.mark.parametrize("number", STEEL_BY_CODE)
def test_what_steel_bills_by_code(job: Job, number: str) -> None:
    wanted = {code: Decimal(amount) for code, amount in STEEL_BY_CODE[number].items()}
    (draw,) = [row for row in job.draws("104-SC-003") if row["invoice_number"] == number]
    pairs = (
        (item["wbs_code"]["flat_code"].rpartition(".")[0], total([item], W, MOVED, S) - total([item], S_BEFORE))
        for item in draw["items"]
    )
    assert by_code(pairs) == wanted
    rows = job.erp(f"SELECT code, gross_cents FROM ap_invoice_lines WHERE invoice = '{number}'")
    assert by_code((row["code"], money(row["gross_cents"])) for row in rows) == wanted


def test_percent_complete_of_steel(job: Job) -> None:
    completed = [Decimal(row["summary"]["total_completed_and_stored_to_date"]) for row in job.draws("104-SC-003")]
    assert completed == [Decimal("416500.00"), Decimal("962075.00"), Decimal("1280875.00")]
    assert job.draws("104-SC-003")[2]["percent_complete"] == "84.56%"


def test_payments_and_open_payables(job: Job) -> None:
    """A part payment, a check that was voided and issued anew, one payment on contracts of two jobs."""
    wanted = {
        "104-SC-003": {("004512", "4417-01", Decimal(374_850)), ("004688", "4417-02", Decimal(300_000))},
        "104-SC-001": {("004530", "104-SC-001-01", Decimal(118_980)), ("ACH-0907", "104-SC-001-02", Decimal(52_956))},
    }
    for number, payments in wanted.items():
        shown = job.payments(job.contracts[number]["id"])
        assert {
            (row["check_number"] or row["payment_number"], row["invoice_number"], Decimal(row["amount"])) for row in shown
        } == payments
        rows = job.erp(f"SELECT * FROM v_payment_lines WHERE commitment = '{number}' AND status = 'posted'")
        assert {(row["payment"], row["invoice"], money(row["amount_cents"])) for row in rows} == payments
        assert Decimal(job.contracts[number]["total_payments"]) == sum(amount for *_, amount in payments)
    dues = {row["invoice_number"]: Decimal(row["summary"]["current_payment_due"]) for row in job.draws("104-SC-003")}
    paid = by_code((row["invoice_number"], Decimal(row["amount"])) for row in job.payments(job.contracts["104-SC-003"]["id"]))
    open_dues = {"4417-02": Decimal("191017.50"), "4417-03": Decimal("297970.00")}
    assert {n: due - paid.get(n, 0) for n, due in dues.items() if due != paid.get(n)} == open_dues
    rows = job.erp(
        "SELECT i.invoice, i.due_cents - coalesce(sum(p.amount_cents + p.discount_cents), 0) AS open_cents FROM v_ap_invoices i"
        " LEFT JOIN v_payment_lines p ON p.company = i.company AND p.vendor = i.vendor AND p.invoice = i.invoice"
        " AND p.status = 'posted' WHERE i.commitment = '104-SC-003' GROUP BY i.invoice, i.due_cents"
    )
    assert {row["invoice"]: money(row["open_cents"]) for row in rows if row["open_cents"]} == open_dues
    (other,) = job.erp("SELECT * FROM v_payment_lines WHERE payment = 'ACH-0907' AND commitment <> '104-SC-001'")
    assert (other["commitment"], other["amount_cents"]) == ("112-SC-005", 1_240_000)


def test_unit_prices_and_tax_of_the_doors(job: Job) -> None:
    """Rounded per line, half away from zero; tax by line is a cent more than tax on the total, and nobody plugs it."""
    lines = job.lines("104-PO-002")
    assert [Decimal(line["amount"]) for line in lines] == [Decimal(n) for n in ("49770", "15675", "595.30", "2350")]
    rows = job.erp("SELECT * FROM commitment_lines WHERE number = '104-PO-002' ORDER BY line_no")
    assert [row["amount_cents"] for row in rows] == [4_977_000, 1_567_500, 59_530, 235_000]
    assert (rows[2]["quantity_e4"], rows[2]["unit_cost_e4"], rows[2]["unit"]) == (3_335_000, 17_850, "lf")
    assert [row["tax_code"] for row in rows] == ["OH725", "OH725", "OH725", None]
    (draw,) = job.draws("104-PO-002")
    assert sum(total(item["taxes"], "amount") for item in draw["items"]) == Decimal("4787.93")
    (invoice,) = job.erp("SELECT * FROM ap_invoices WHERE commitment = '104-PO-002'")
    taxes = job.erp(f"SELECT tax_cents FROM ap_invoice_lines WHERE invoice = '{invoice['invoice']}' ORDER BY line_no")
    assert [row["tax_cents"] for row in taxes] == [360_833, 113_644, 4_316, 0] and invoice["tax_cents"] == 478_793


# -- cost -----------------------------------------------------------------------------------------------------------------------


def types(job: Job) -> dict[int, str]:
    return {row["id"]: row["code"] for row in job.world.api_list("/line_item_types", company_id=8089)}


def test_direct_costs_by_cost_key(job: Job) -> None:
    """What is not billed on a commitment: 11 records in Procore of the 14 listed transactions and the other covered ones."""
    wanted = {x: amount for x, (amount,) in table(DIRECT).items()}
    assert sum(wanted.values()) == Decimal("142123.64")
    costs = job.world.api_list(f"/rest/v1.1/projects/{PROJECT}/direct_costs")
    assert len(costs) == 11 and total(costs, "grand_total") == Decimal("142123.64")
    assert {row["status"] for row in costs} == {"approved"}
    found: dict[str, Decimal] = defaultdict(lambda: Decimal("0.00"))
    for line in job.world.api_list(f"/projects/{PROJECT}/direct_costs/line_items"):
        found[f"{line['cost_code']['full_code']} {line['line_item_type']['code']}"] += Decimal(line["amount"])
    assert found == wanted
    rows = job.erp(
        "SELECT l.code, l.cost_type, sum(l.amount_cents) AS n FROM job_cost_lines l JOIN job_costs d USING (company, trans)"
        f" WHERE d.job = '{JOB}' AND d.status = 'posted' AND d.commitment IS NULL GROUP BY l.code, l.cost_type"
    )
    assert {f"{row['code']} {ERP_TYPES[row['cost_type']]}": money(row["n"]) for row in rows} == wanted


def test_job_cost_of_the_sample(job: Job) -> None:
    """14 transactions: 962,075.00 of the steel contract's first two draws, and what is direct."""
    rows = job.erp(
        f"SELECT commitment, amount_cents FROM job_costs WHERE job = '{JOB}' AND status = 'posted'"
        " AND coalesce(commitment, '104-SC-003') = '104-SC-003'"
    )
    covered = sum(money(row["amount_cents"]) for row in rows if row["commitment"])
    assert (len(rows), covered) == (14, Decimal("962075.00"))
    assert sum(money(row["amount_cents"]) for row in rows) == Decimal("1104198.64")


def test_the_budget_and_its_change(job: Job) -> None:
    wanted = {x: amount for x, (amount,) in table(BUDGET).items()}
    assert len(wanted) == 33 and sum(wanted.values()) == 11_162_000
    (view,) = [row for row in job.world.api_list("/budget_views", project_id=PROJECT) if row["role"] == "standard"]
    rows = job.world.api_list(f"/budget_views/{view['id']}/detail_rows", project_id=PROJECT, budget_row_type="budgeted")
    letters = types(job)
    key = {row["id"]: f"{row['cost_code_origin_id'].rpartition('//')[2]} {letters[row['category_id']]}" for row in rows}
    assert {key[row["id"]]: Decimal(row["original_budget_amount"]) for row in rows} == wanted
    assert job.world.api(f"/projects/{PROJECT}/budget")["locked"] is True
    lines = job.erp(f"SELECT code, cost_type, amount_cents FROM budget_lines WHERE job = '{JOB}'")
    assert {f"{row['code']} {ERP_TYPES[row['cost_type']]}": money(row["amount_cents"]) for row in lines} == wanted
    moved = {"01-2100 O": Decimal(-18_000), "03-3000 L": Decimal(18_000)}
    assert {key[row["id"]]: Decimal(row["budget_modifications"]) for row in rows if Decimal(row["budget_modifications"])} == moved
    changes = job.erp(f"SELECT code, cost_type, amount_cents FROM budget_change_lines WHERE job = '{JOB}'")
    assert {f"{row['code']} {ERP_TYPES[row['cost_type']]}": money(row["amount_cents"]) for row in changes} == moved
    (change,) = job.erp(f"SELECT * FROM budget_changes WHERE job = '{JOB}'")
    assert (change["status"], change["amount_cents"]) == ("posted", 0)
