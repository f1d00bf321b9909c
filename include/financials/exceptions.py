"""What can go wrong in a run, named by what to do next.

Systems (Procore, an ERP) raise these, or subclasses of them; the engine and the retry policy know nothing more specific.
"""

from __future__ import annotations


class SyncError(Exception):
    """Base of every error of this package.

    ``seconds``: when set, the system (or the ledger) said when to come back. Waiting until then is no failure: an operator gives
    its slots back and resumes, and no retry is used up.
    """

    seconds: float | None = None


class ConfigurationError(SyncError):
    """A setting, mapping, connection or credential is wrong: a person corrects it, a retry cannot help."""


class StepMissing(ConfigurationError):
    """A step that this one builds on did not run to its end in this run: let it run, marking it is not enough."""


class ContractBroken(SyncError):
    """A system answered in a way its contract does not allow (a paging loop, a reply without its envelope): fix the code."""


class NotPermitted(ConfigurationError):
    """The credentials are good but lack a right on a tool, company or project: an administrator grants it."""


class RetryLater(SyncError):
    """Nothing was applied; the same call may be made again after ``seconds`` (float, seconds; None: the caller's own backoff)."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class Unsettled(RetryLater):
    """Writes without an answer are not found (yet). They may still arrive: nothing of them is sent before ``seconds``."""


class OutcomeUnknown(SyncError):
    """A write may or may not have been applied (connection lost, time-out, 5xx after sending): look before sending again."""


class Refused(SyncError):
    """The system judged the request and said no (a lock, a business rule, a malformed field). Nothing was applied, and the same
    run does not ask again; the next one does, for what the refusal named may have been mended since."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class LeaseLost(SyncError):
    """Another task took over this entity's lease: stop without writing another row."""


class RunFailed(SyncError):
    """A task of the run failed, or the two sides do not reconcile; the message says which. The report has the rest."""


class StageClosed(SyncError):
    """The data-quality gate stopped a stage: nothing of it is written until its cause is mended."""
