"""The commands that messages name: each can be pasted into a shell as it stands, and means one record (docs/operating.md,
Decisions).

A number is what people know a record by, and several may have it: in two companies, on two jobs, or because it is another one's
id. So a message gives the number for people, and behind ``--id`` what no other record has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from include.financials.legible import legible
from include.financials.record import Side

OF_A_ROW = ("approve", "link", "unlink")
"""Decisions that a rule's message may name, as ``{unlink}``: the command for the record that it is about."""
_PLAIN = re.compile(r"\w(?:[\w./+-]*\w)?")
"""Neither steers a shell nor ends where a sentence would."""


def ident(side: Side | str, company: str | None, key: str) -> str:
    """What no other record of its entity has: the company and the key of the ERP, the id of Procore."""
    return f"{company}/{key}" if side == "erp" and company else key


def means(word: str | None, side: Side | str, company: str | None, key: str) -> bool:
    """Whether a person who wrote this may mean that record."""
    return word is not None and word in _written(key, ident(side, company, key))


def calls(word: str, number: str) -> bool:
    """Whether a person who wrote this may mean what has that number, as it is or as messages show it."""
    return word in _written(number)


def _written(*texts: str) -> set[str]:
    return {*texts, *map(legible, texts)}


def command(decision: str, entity: str, number: str, which: str | None = None, *, to: str | None = None) -> str:
    """``decide unlink commitments 104-SC-003 --id 8300010005``"""
    options = [_option("id", which), _option("to", to)]
    # What begins with a hyphen would be taken for an option.
    number = f"-- {_word(number)}" if number.startswith("-") else _word(number)
    words = [*options, number] if number.startswith("-") else [number, *options]
    return " ".join(filter(None, ("decide", decision, entity, *words)))


def _option(name: str, value: str | None) -> str | None:
    return None if value is None else f"--{name}{'=' if value.startswith('-') else ' '}{_word(value)}"


def _word(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "'\"'\"'") + "'"


class Filled(Mapping[str, Any]):
    """What a message is filled from: a row of facts, and the commands for the record that it is about."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    def __getitem__(self, name: str) -> Any:
        if name not in OF_A_ROW:
            return self._row[name]
        side, company, key = self._row["row"].split("|", 2)
        return command(name, self._row["entity"], self._row["number"], ident(side, company, key))

    def __iter__(self) -> Any:
        return iter((*self._row, *OF_A_ROW))

    def __len__(self) -> int:
        return len(self._row) + len(OF_A_ROW)
