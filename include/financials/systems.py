"""Both systems of a task: each is opened when it is first asked, so that a task which asks nothing opens nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NoReturn, TypedDict, overload

from include.financials.exceptions import StepMissing
from include.financials.port import CALLED, Asking, Described, System
from include.financials.record import Side


class Sides(TypedDict):
    """What is known of both sides without asking them."""

    procore: Described
    erp: Described


class Systems:
    """``procore`` and ``erp`` open a system (and see to its end); each is called once at most."""

    def __init__(self, known: Sides, procore: Callable[[], Asking], erp: Callable[[], System]) -> None:
        self.known = known
        self._open: tuple[Callable[[], Asking], Callable[[], System]] = (procore, erp)
        self._procore: Asking | None = None
        self._erp: System | None = None

    @overload
    def __getitem__(self, side: Literal["procore"]) -> Asking: ...

    @overload
    def __getitem__(self, side: Side) -> System: ...

    def __getitem__(self, side: Side) -> System:
        if side == "procore":
            if self._procore is None:
                self._procore = self._open[0]()
            return self._procore
        if self._erp is None:
            self._erp = self._open[1]()
        return self._erp


class Shut:
    """The systems of a task that judges: there are none."""

    def __init__(self, judged: str, known: Sides) -> None:
        self.judged, self.known = judged, known

    def __getitem__(self, side: Side) -> NoReturn:
        raise StepMissing(
            f"{self.judged.replace('_', ' ')}: nothing is asked of {CALLED[side]} here; what is looked at, an extract has read. "
            "Clear the extracts and what follows."
        )
