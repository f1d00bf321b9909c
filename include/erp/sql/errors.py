"""What a database's errors mean, whatever the driver that brings them.

Drivers disagree: psycopg2 has SQLSTATE as an attribute; pyodbc has it as its first argument, and the database's own number
within the text; pymssql has the number alone, and calls most errors operational; oracledb has it in an object, and no class for
most errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from sqlalchemy.exc import DBAPIError

Verdict = Literal["refused", "later", "rights", "login", "mapping"]
"""refused: the data broke a rule; later: locked or unreachable; rights, login: a person grants; mapping: the SQL is wrong."""

# SQLSTATE, longest prefix first (PostgreSQL, appendix A; the same classes elsewhere, ODBC's own among them).
_SQLSTATE: tuple[tuple[str, Verdict], ...] = (
    ("42501", "rights"),
    ("25006", "rights"),
    ("3D000", "login"),
    ("57014", "later"),
    ("HYC00", "mapping"),
    ("22", "refused"),
    ("23", "refused"),
    ("27", "refused"),
    ("44", "refused"),
    ("P0", "refused"),
    ("28", "login"),
    ("IM", "login"),
    ("07", "mapping"),
    ("0A", "mapping"),
    ("26", "mapping"),
    ("3F", "mapping"),
    ("42", "mapping"),
)
_SQLITE: tuple[tuple[str, Verdict], ...] = (
    (r"locked|busy", "later"),
    (r"readonly database|not authorized|access .* prohibited", "rights"),
    (r"not a database|malformed", "login"),
    (r"unable to open|disk I/O|disk is full|interrupted", "later"),
    (r".", "mapping"),
)
_LOGIN = re.compile(
    r"(name or service|host) not known|no address associated|nodename nor servname|getaddrinfo failed|unknown host"
    r"|password|authentication|role \".*\" does not exist|database \".*\" does not exist|no pg_hba|login failed",
    re.I,
)
_CLASSES: dict[str, Verdict] = {
    "IntegrityError": "refused",
    "DataError": "refused",
    "ProgrammingError": "mapping",
    "NotSupportedError": "mapping",
}


def _numbers(**verdicts: Iterable[int | range]) -> Mapping[int, Any]:
    return {
        number: verdict
        for verdict, found in verdicts.items()
        for one in found
        for number in (one if isinstance(one, range) else (one,))
    }


# The databases' own numbers, as their makers publish them.
_NUMBERS: Mapping[str, Mapping[int, Verdict]] = {
    "mssql": _numbers(
        # What the data broke: NULL, keys, checks, a size, a text that is no number or date; a trigger's ROLLBACK.
        refused=(220, 232, 241, 242, 245, 248, 295, 515, 547, 550, 2601, 2627, 2628, 3609, 3616, 8114, 8115, 8134, 8152),
        later=(1204, 1205, 1222, 3960, 3961),
        rights=(229, 230, 262, 297, 300, 3906),
        login=(916, 4060, 18452, 18456, 18470),
        mapping=(102, 105, 109, 110, 120, 137, 156, 170, 201, 206, 207, 208, 209, 213, 257, 271, 272, 273, 319, 334, 336, 402,
                 544, 1033, 2812, 4104, 4145, 8003, 8120, 8144),
    ),
    "oracle": _numbers(
        refused=(1, 1400, 1401, 1402, 1407, 1426, 1438, 1476, 1722, 1830, range(1839, 1862), 2290, 2291, 2292, 6502, 12899),
        later=(51, 54, 60, 1013, 1555, 8177, 30006),
        rights=(1031, 1456, 16000),
        login=(1005, 1017, 1045, 12154, 12505, 28000, 28001),
        mapping=(range(900, 1000), 1008, 1036, 1747, 1789, 1790, 2289, 4043, 6550, 32795, 54013),
    ),
}  # fmt: skip
_RAISED = {"mssql": range(50_000, 2**31), "oracle": range(20_000, 21_000)}
"""What triggers and procedures raise: THROW and RAISERROR, RAISE_APPLICATION_ERROR."""

_NATIVE = re.compile(r"\((-?\d+)\) \(\w+\)")
"""pyodbc: the number, then the ODBC function. Of several records the first one tells what happened."""
_FRONT = re.compile(r"(\[[^\]]*\]\s*)+")
"""pyodbc: SQLSTATE, and who handed the message on: ``[42000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]``."""
_AFTERWARDS = re.compile(r"\n(?:CONTEXT|LINE|HINT|Help:|ORA-\d)|\n?DB-Lib error|;\s*Error while (?:executing|preparing)")
_COLUMNS = (
    r"(?:UNIQUE|NOT NULL) constraint failed: (.+)",
    r"Key \(([^)]*)\)=",
    r"NULL into column '([^']+)'",
    r"truncated in table '[^']*', column '([^']+)'",
    r'(?:NULL into \(|for column )"[^"]+"\."[^"]+"\."([^"]+)"',
)


class _Told(NamedTuple):
    """What an error says: SQLSTATE and the database's own number where there are any, and its words."""

    state: str | None
    number: int | None
    text: str


def _told(error: DBAPIError) -> _Told:
    origin: Any = error.orig
    args: tuple[Any, ...] = origin.args if origin else ()
    if len(args) == 1 and isinstance(args[0], tuple):  # pymssql, where there is no connection yet
        (args,) = args
    state = getattr(origin, "pgcode", None) or getattr(origin, "sqlstate", None)
    first = args[0] if args else None
    text = next(
        (a.decode(errors="replace") if isinstance(a, bytes) else a for a in reversed(args) if isinstance(a, str | bytes)), ""
    )
    if isinstance(first, int):
        return _Told(state, first, text)
    if len(args) == 2 and isinstance(first, str) and text.startswith(f"[{first}]"):  # pyodbc
        native = _NATIVE.search(text)
        words = text[: native.start()] if native else text
        return _Told(first, int(native[1]) if native else None, _FRONT.sub("", words, count=1))
    if isinstance(number := getattr(first, "code", None), int):  # oracledb
        return _Told(state, number, str(origin))
    return _Told(state, None, text or str(origin))


def classify(error: DBAPIError, dialect: str) -> Verdict:
    """What to do about a driver's error."""
    if error.connection_invalidated:
        return "later"
    told = _told(error)
    if told.number is not None and dialect in _NUMBERS:
        if told.number in _RAISED[dialect]:
            return "refused"
        if verdict := _NUMBERS[dialect].get(told.number):
            return verdict
    if told.state:
        return next((verdict for prefix, verdict in _SQLSTATE if told.state.startswith(prefix)), "later")
    kind = type(error).__name__
    if dialect == "sqlite" and kind not in ("IntegrityError", "DataError"):
        return next(verdict for pattern, verdict in _SQLITE if re.search(pattern, told.text or "?", re.S))
    return "login" if _LOGIN.search(told.text) else _CLASSES.get(kind, "later")


def sentence(error: DBAPIError) -> str:
    """The database's own sentence, without statement, parameters, context lines and driver prefixes."""
    diagnosis = getattr(error.orig, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    if primary:
        detail = getattr(diagnosis, "message_detail", None)
        return f"{primary.rstrip('.')}. {detail}" if detail else primary
    text = _AFTERWARDS.split(_told(error).text.strip())[0]
    return " ".join(re.sub(r"^(ERROR|FATAL|ORA-2\d{4}):\s*", "", text).split())


def named_columns(error: DBAPIError) -> list[str]:
    """Columns that the refusal names, most telling last: from ``UNIQUE constraint failed: t.a, t.b`` or ``Key (a, b)=``."""
    diagnosis = getattr(error.orig, "diag", None)
    if column := getattr(diagnosis, "column_name", None):
        return [column]
    text = sentence(error)
    found = next((match[1] for pattern in _COLUMNS if (match := re.search(pattern, text))), "")
    return [part.strip().rsplit(".", 1)[-1] for part in found.split(",") if part.strip()]
