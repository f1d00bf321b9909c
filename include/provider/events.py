"""Procore's events as Airflow's connections tell of them: where they go, which were lost, why there are none.

The receiver itself is :mod:`include.provider.receiver`; the hook in Procore that sends to it, :mod:`include.procore.webhooks`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow.sdk.log import mask_secret

from include.financials.exceptions import ConfigurationError, RetryLater, SyncError
from include.procore.address import clean_address
from include.procore.webhooks import Receiver, Webhooks, sweep
from include.provider.connections import connection_of, web_address

if TYPE_CHECKING:
    from include.financials.ledger import Ledger
    from include.financials.port import System
    from include.financials.view import Sync

log = logging.getLogger(__name__)

RECEIVER = "/procore/webhooks"
"""Path of the receiver of events on Airflow's API server (plugins/procore_erp, include/provider/receiver.py)."""
SHORTEST = 16


@dataclass(frozen=True, slots=True)
class EventsConnection:
    """What connection ``procore_webhooks`` says. ``tokens``: those that the receiver takes, the newest last; ``address``: of the
    receiver as Procore can reach it, None where the connection has no host; ``account``: id of the service account's user."""

    tokens: tuple[str, ...] = field(repr=False)
    address: str | None = None
    account: str | None = None


def events_connection(conn_id: str = "procore_webhooks") -> EventsConnection:
    """The connection of the receiver of events, of type ``generic``: password is the token of the header ``Authorization: Bearer
    TOKEN``, or two of them apart by a blank while one replaces the other; login the user id of the service account; host (with
    schema ``https`` and port, if wanted) that of the receiver as Procore can reach it.

    Raises ConfigurationError where it is missing or a token is shorter than 16 letters and digits.
    """
    found = connection_of(conn_id, "generic")
    words = (found.password or "").split()
    if not words or min(map(len, words)) < SHORTEST:
        raise ConfigurationError(
            f"Connection {conn_id} needs a password of at least {SHORTEST} letters and digits; Procore sends "
            "'Authorization: Bearer PASSWORD'"
        )
    for word in words:
        mask_secret(word)
    address = web_address(found, "https")
    if address is not None and "/" not in address.partition("://")[2]:
        address = f"{address}{RECEIVER}"
    return EventsConnection(tuple(words), address, found.login or None)


def receiver_of(conn_id: str = "procore_webhooks") -> Receiver:
    """Where Procore's events are to go, by an Airflow connection (:func:`events_connection`).

    Raises ConfigurationError where it is missing, has no host, or one that Procore would not send a secret to.
    """
    found = events_connection(conn_id)
    if found.address is None:
        raise ConfigurationError(
            f"Connection {conn_id} has no host: enter where Procore reaches the receiver, e.g. https://airflow.example.com"
        )
    return Receiver(clean_address(found.address, f"The host of connection {conn_id}"), found.tokens)


def swept(system: System, ledger: Ledger) -> dict[str, int] | None:
    """Events that Procore could not deliver, taken into the inbox (counts as of :func:`include.procore.webhooks.sweep`); None
    where there is no receiver, or Procore does not say. Raises RetryLater where Procore is away."""
    try:
        found = sweep(Webhooks.of(system, receiver_of()), ledger.inbox)
    except RetryLater:
        raise
    except SyncError as error:
        log.info("no event is looked for that could not be delivered: %s This run looks at everything anyway.", error)
        return None
    if any(found.values()):
        log.warning("events that Procore could not deliver: %s; see python -m include.procore webhooks status", found)
    return found


def without_events(sync: Sync) -> list[str]:
    """Why changes in Procore are not told of by events, one sentence each; a warning and no failure, for reading alone brings the
    same result later. Raises RetryLater where Procore is away."""
    try:
        found = Webhooks.of(sync.systems["procore"], receiver_of()).missing(sync.settings)
    except RetryLater:
        raise
    except SyncError as error:
        found = [str(error)]
    for text in found:
        log.warning("changes are found by the scheduled run only: %s", text)
    return found
