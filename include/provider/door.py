"""What the receiver of events needs, from Airflow's connections (docs/go-live.md, Connections).

``procore_webhooks``: see :func:`include.provider.events.events_connection`. ``airflow_api`` (optional): this Airflow's own
address, login and password of a user who may trigger runs; without it the next scheduled run takes the events.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime
from threading import Lock

import httpx

from include.financials.exceptions import ConfigurationError
from include.procore.address import clean_address
from include.provider.connections import Undefined, connection_of, web_address
from include.provider.events import events_connection
from include.provider.hooks.ledger import LedgerHook
from include.provider.receiver import AirflowApi, Door, Trigger

log = logging.getLogger(__name__)

FRESH = 60.0
"""Seconds that a door is used before the connections are looked at again."""
_lock = Lock()
_opened: tuple[float, Door] | None = None


def door() -> Door:
    """Raises ConfigurationError naming the connection that is missing or empty."""
    global _opened
    with _lock:
        if _opened is None or time.monotonic() - _opened[0] > FRESH:
            ledger = _opened[1].ledger if _opened is not None else None
            found = events_connection()
            if ledger is None:
                ledger = LedgerHook().ledger()
            _opened = time.monotonic(), Door(tuple(f"Bearer {word}" for word in found.tokens), ledger, _trigger(), found.account)
        return _opened[1]


def at_hand() -> Door | None:
    """What :func:`door` last found, while it need not look again; never blocks."""
    opened = _opened
    return opened[1] if opened is not None and time.monotonic() - opened[0] <= FRESH else None


def _trigger() -> Trigger:
    """Whoever asks for runs. A connection that is wrong keeps nobody from sending events: they are kept, and taken later."""
    try:
        found = connection_of("airflow_api", "http")
        address = web_address(found, "http", 8080)
        if address is None or not found.login:
            raise ConfigurationError("Connection airflow_api needs host and login of this Airflow, as http://127.0.0.1:8080.")
        address = clean_address(address, "The host of connection airflow_api")
    except Undefined:
        return _nobody
    except ConfigurationError as error:
        log.error("no run of events can be asked for; the scheduled run takes them: %s", error)
        return _nobody
    client = httpx.AsyncClient(base_url=address, timeout=10.0, trust_env=False)
    return AirflowApi(client, found.login or "", found.password or "")


async def _nobody(_: datetime) -> None:
    """No way to ask for a run: the next scheduled one takes the inbox."""
