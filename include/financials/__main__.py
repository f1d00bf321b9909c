"""Command line of the ledger: ``python -m include.financials why commitment 104-SC-003``."""

from __future__ import annotations

import argparse
import getpass
import os
import signal
import sys
from typing import Any

from include.financials.exceptions import SyncError
from include.financials.ledger import Ledger
from include.financials.models import Side
from include.financials.why import entity_named, why

DEFAULT_LEDGER = "sqlite:///var/demo/ledger.sqlite"


DECISIONS = {
    "approve": "it may be sent although it is above the limit",
    "link": "the proposed match is right",
    "accept": "the ERP may have this document without Procore, with the figures it has now",
    "unlink": "the link is ended; clear the external id in Procore too, or the next run adopts it again",
}
SIDES: tuple[Side, ...] = ("procore", "erp")
WAITING = {"approve": ("held", "M-13"), "link": ("held", "2.9")}
"""State and rule of the records that wait for a decision."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m include.financials", description=__doc__)
    parser.add_argument(
        "--ledger",
        default=os.environ.get("SYNC_LEDGER_URL", DEFAULT_LEDGER),
        help="SQLAlchemy URL of the ledger (default: $SYNC_LEDGER_URL, else the demo's)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    story = commands.add_parser("why", help="one document's whole story: state, rule, what it waits for, calls, ids")
    story.add_argument("entity", help="vendor, customer, project, cost type, cost code or commitment")
    story.add_argument("number", help="what people call it, e.g. 104-SC-003 or V-1042")
    decision = commands.add_parser("decide", help="record a person's decision on a record as it is now")
    decision.add_argument(
        "decision", choices=tuple(DECISIONS), help="; ".join(f"{name}: {text}" for name, text in DECISIONS.items())
    )
    decision.add_argument("entity")
    decision.add_argument("number", help="what people call it, or `all`: every record that waits for just this decision")
    decision.add_argument("--note", help="why; kept in the audit trail")
    made = commands.add_parser("ledger", help="make the ledger, or bring it up to date after an upgrade")
    made.add_argument("action", choices=("create",))
    chosen = parser.parse_args(arguments)
    ledger = Ledger(chosen.ledger)
    try:
        if chosen.command == "ledger":
            ledger.create()
            print(f"The ledger {ledger.shown} is ready.")
            return 0
        ledger.ready()
        if chosen.command == "why":
            print("\n".join(why(ledger, chosen.entity, chosen.number)))
        else:
            print(_decide(ledger, chosen))
    except SyncError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        ledger.close()
    return 0


def _decide(ledger: Ledger, chosen: argparse.Namespace) -> str:
    entity = entity_named(chosen.entity)
    if chosen.decision == "unlink":
        ended = ledger.end_link(entity, chosen.number, getpass.getuser(), chosen.note)
        if ended != 1:
            raise SyncError(f"{entity} {chosen.number}: {ended} active links have that number, unlink ends exactly one")
        return f"The link of {chosen.number} is ended. Clear its external id in Procore, or the next run adopts it again."
    rows = _concerned(ledger, entity, chosen.decision, chosen.number)
    for row in rows:
        ledger.decide(
            entity=entity, company=row["company"], record_id=row["id"], content_hash=row["source_hash"],
            decision=chosen.decision, who=getpass.getuser(), detail=chosen.note,
        )  # fmt: skip
    return (
        f"{chosen.decision} recorded for {len(rows)} {entity} as they are now; "
        "it takes effect in the next run, and ends when the record changes."
    )


def _concerned(ledger: Ledger, entity: str, decision: str, number: str) -> list[dict[str, Any]]:
    if number == "all" and decision in WAITING:
        waiting = [row for side in SIDES for row in ledger.seen(entity, side).values()]
        return [row for row in waiting if (row["state"], row["rule"]) == WAITING[decision]]
    everything = [row for side in SIDES for row in ledger.seen(entity, side).values()]
    known = [row for row in everything if number in (row["number"], row["id"])]
    rows = [row for row in known if (row["side"] == "erp" if decision == "accept" else row["state"])]
    if len(rows) != 1:
        named = f" ({', '.join(row['id'] for row in rows[:8])}); name one by its id" if rows else ""
        raise SyncError(f"{entity} {number}: {len(rows)} records of that number are known, a decision needs exactly one{named}")
    return rows


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):  # `why ... | head` ends quietly, as other commands do
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
