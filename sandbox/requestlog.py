"""Every call that the sandbox answered or dropped, for tests and rehearsals."""

from __future__ import annotations

import threading
from typing import Any

from sandbox.procore.call import Call

WRITES = ("POST", "PUT", "PATCH", "DELETE")


class RequestLog:
    """Rows in the order in which the calls ended. ``n`` goes on counting when the log is cleared."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[dict[str, Any]] = []
        self._n = 0

    def add(self, call: Call, *, at: str, status: int | None, fault: str | None = None, late: bool = False) -> None:
        """``status`` None: dropped before any effect. A person's call is no write of the integration; nor is the effect of a call
        that was answered earlier (``late``), which is in the log already."""
        write = call.method in WRITES and call.path.startswith("/rest/") and not call.person and not late
        with self._lock:
            self._n += 1
            self._rows.append(
                {
                    "n": self._n,
                    "at": at,
                    "method": call.method,
                    "path": call.path,
                    "query": call.query,
                    "status": status,
                    "write": write,
                    "fault": fault,
                    "by": "late" if late else "user" if call.person else "api",
                }
            )

    def since(self, n: int) -> list[dict[str, Any]]:
        """The rows after number ``n``."""
        with self._lock:
            return [row for row in self._rows if row["n"] > n]

    def clear(self) -> None:
        with self._lock:
            self._rows.clear()
