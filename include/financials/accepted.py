"""What the ERP has accepted and not yet posted: handed over to a batch, an import or an approval, and in no book so far.

It is never sent a second time by itself. Once it is posted it is found by its marker and linked; refused, the ERP's words are
told; and what waits for too long, or is nowhere any more, is asked about by a person (``decide resend``).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from include.financials.advice import command
from include.financials.entity import Entity
from include.financials.ledger import Intent, moment

RULES = ("accepted", "overdue")
"""Of a document that waits for the ERP."""
GONE = "gone"
"""``Intent.message`` of what is no longer where it was handed over."""


def waits(since: str | None, token: str | None) -> str:
    """Reads on after the document's number, as all of these."""
    return f"was handed over to the ERP{_on(since)} and is not posted there yet{_as(token)}. It is not sent again."


def overdue(row: Entity, intent: Intent, number: str, now: datetime, days: int) -> str | None:
    """Why a person is to ask about it; None: it may still wait."""
    since = moment(intent.doubted_at)
    if intent.message == GONE:
        why = "is neither waiting there nor posted under its marker any more"
    elif since is not None and now - since > timedelta(days=days):
        why = f"is not posted after {(now - since).days} days"
    else:
        return None
    return _asked(row, intent, number, f"and {why}")


def doubtful(row: Entity, intent: Intent, number: str, message: str | None) -> str:
    """Why a person is to ask about it at once: what the ERP said of it does not agree with itself."""
    return _asked(row, intent, number, f"and there {message}")


def _asked(row: Entity, intent: Intent, number: str, why: str) -> str:
    link = command("link", row.name, number, intent.source_id, to="KEY")
    then = f"If it was posted under another number: {link}. If it never will be:"
    told = f"was handed over to the ERP{_on(intent.doubted_at)}{_as(intent.result_id)} {why}"
    return f"{told}. Ask who posts there. {then} {command('resend', row.name, number, intent.source_id)}."


def refused(intent: Intent, message: str | None) -> str:
    return f"was handed over to the ERP{_on(intent.doubted_at)} and refused there: {message or 'it did not say why'}"


def twin(intent: Intent, message: str | None) -> str:
    told = f"was handed over to the ERP{_on(intent.doubted_at)}{_as(intent.result_id)}, and there {message}"
    return f"{told}. Neither is taken for it: have the copy removed there, or its marker."


def _on(since: str | None) -> str:
    return f" on {since[:10]}" if since else ""


def _as(token: str | None) -> str:
    return f" ({token})" if token else ""
