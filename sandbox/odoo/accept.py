"""``make accept-odoo``: the acceptance suite on a real Odoo 14, with the table of its result.

Before it a contract is sent, billed, posted and paid in part, and cost is entered that no contract covers, so that there is
something of every entity to read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path

from include.erp.acceptance.documents import Maker
from include.erp.acceptance.masters import Missing
from include.erp.acceptance.suite import Options, Suite
from include.erp.registry import mapping_path
from include.financials.exceptions import SyncError
from sandbox.local import ROOT, LocalError, interruptible
from sandbox.odoo.books import USERS
from sandbox.odoo.clerk import URL, Clerk
from sandbox.odoo.install import HOME
from sandbox.odoo.server import running
from sandbox.seed.schedules import GOLDEN_JOB

CODE, TYPE = f"{GOLDEN_JOB}//05-1200", "3"
SPENT = date(2026, 8, 14)


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


def accept() -> int:
    with running() as url:
        mapping = HOME / "odoo.yaml"  # the result is kept beside it
        shutil.copyfile(mapping_path("odoo"), mapping)
        something_to_read(mapping, url)
        command = [
            sys.executable, "-m", "include.erp", "accept", "--mapping", str(mapping), "--url", address(url, "integration"),
            "--reader", address(url, "reader"), "--clerk", "sandbox.odoo.clerk:act", "--stage", "4", "--allow-writes",
            "--use", f"project={GOLDEN_JOB}",
        ]  # fmt: skip
        return subprocess.run(command, cwd=ROOT, env={**os.environ, URL: url}, check=False).returncode


def main() -> int:
    interruptible()
    try:
        return accept()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except (LocalError, Missing, SyncError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
