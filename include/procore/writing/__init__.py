"""Writing to Procore: the steps of each entity, one call per batch, and the look whether an effect is already there.

``table`` says which writes an entity takes; each of them is one of a few ways to write (``sync``, ``lines``, ``single``,
``once``, ``budgets``, ``codes``), given what it sends, what a reply is matched by and what proves that it arrived.
``writer`` carries them out.
"""

from __future__ import annotations

from include.procore.writing.table import CAPABILITIES, STEPS
from include.procore.writing.writer import Writer

__all__ = ["CAPABILITIES", "STEPS", "Writer"]
