"""``make accept-odoo``: the acceptance suite on a real Odoo 14, with the table of its result.

Before it a contract is sent, billed, posted and paid in part, and cost is entered that no contract covers, so that there is
something of every entity to read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from threading import Barrier

from include.erp.acceptance.documents import Maker
from include.erp.acceptance.masters import Missing
from include.erp.acceptance.suite import Options, Suite
from include.erp.mapping.loading import mapping_path
from include.erp.system import MappedSystem
from include.financials.exceptions import OutcomeUnknown, RetryLater, SyncError
from include.financials.port import Item
from sandbox.local import ROOT, LocalError, program
from sandbox.odoo import described
from sandbox.odoo.books import ADMIN, USERS, connect
from sandbox.odoo.clerk import URL, Clerk
from sandbox.odoo.install import HOME
from sandbox.odoo.server import running
from sandbox.seed.schedules import GOLDEN_JOB

CODE, TYPE = f"{GOLDEN_JOB}//05-1200", "3"
SPENT = date(2026, 8, 14)
ROUNDS = 10


def address(url: str, user: str) -> str:
    """With login and password, as a connection gives it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{USERS[user]['login']}:{USERS[user]['password']}@{rest}"


def something_to_read(mapping: Path, url: str) -> None:
    """A contract with a change, a bill and a payment of it; payroll and a bill that no contract covers."""
    suite = Suite(Options(str(mapping), address(url, "integration"), use={"project": GOLDEN_JOB}))
    try:
        make = Maker(suite)
        make.entered(make.change())
        bill = make.entered(make.bill(("500.00", "50.00", "0.00", "0.00"), ("20.00", "0.00", "0.00", "1.65")))
        with closing(Clerk(url)) as clerk:
            clerk.post(bill.vendor, bill.number)
            clerk.pay(bill.vendor, bill.number, "004512", Decimal("100.00"), suite.today())
            clerk.payroll(CODE, TYPE, Decimal("1250.00"), SPENT, "Week 33")
            clerk.purchase(bill.vendor, "CASH-1", CODE, TYPE, Decimal("310.25"), SPENT)
    finally:
        suite.close()


def two_writers(mapping: Path, url: str) -> None:
    """The same contract at the same moment from two connections: once, however often it is tried. The suite
    tries it one after the other. Raises LocalError where there are two, or none."""
    suite = Suite(Options(str(mapping), address(url, "integration"), use={"project": GOLDEN_JOB}))
    make, told = Maker(suite), 0
    systems, together = (suite.open(), suite.open()), Barrier(2)

    def write(erp: MappedSystem, item: Item) -> str:
        together.wait()
        try:
            (outcome,) = erp.post(suite.step("commitments", "create", erp), [item])
        except (RetryLater, OutcomeUnknown):
            return "later"
        return outcome.status

    try:
        with ThreadPoolExecutor(2) as pool, closing(Clerk(url)) as clerk:
            for _ in range(ROUNDS):
                item = make.commitment()
                said = sorted(pool.map(write, systems, (item, item)))
                told += "later" in said
                found = clerk.api.search("purchase.order", [["name", "=", item.number]], ("order_line.name",))
                if len(found) != 1 or len(found[0]["order_line"]) != len(item.record.lines):  # type: ignore[attr-defined]
                    raise LocalError(f"{item.number} was sent by two at once ({', '.join(said)}), and is there as {found}")
    finally:
        for one in (*systems, suite):
            one.close()
    print(f"two writers at the same moment: {ROUNDS} contracts, each there once; {told} times one of them was told to come back")


def accept() -> int:
    with running() as url:
        mapping = HOME / "odoo.yaml"  # the result is kept beside it
        shutil.copyfile(mapping_path("odoo"), mapping)
        described.keep(connect(url, ADMIN), HOME / "odoo_fields.json")
        something_to_read(mapping, url)
        two_writers(mapping, url)
        command = [
            sys.executable, "-m", "include.erp", "accept", "--mapping", str(mapping), "--url", address(url, "integration"),
            "--reader", address(url, "reader"), "--clerk", "sandbox.odoo.clerk:act", "--stage", "4", "--allow-writes",
            "--use", f"project={GOLDEN_JOB}",
        ]  # fmt: skip
        return subprocess.run(command, cwd=ROOT, env={**os.environ, URL: url}, check=False).returncode


def main() -> int:
    return program(accept, Missing, SyncError)


if __name__ == "__main__":
    sys.exit(main())
