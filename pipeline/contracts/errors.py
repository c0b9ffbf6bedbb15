"""Errors of the contracts.

ContractError
├── DecodeError          bytes that are no record of ours; carries a `DeadReason`
└── StateVersionError    state that another version of the program wrote
"""

from __future__ import annotations

from pipeline.contracts.records import DeadReason


class ContractError(Exception):
    """The root of this package's errors."""


class DecodeError(ContractError):
    """Bytes that are no record of ours, and will stay so."""

    def __init__(self, reason: DeadReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[DecodeError], tuple[DeadReason, str]]:
        """Survive the way between worker processes."""
        return DecodeError, (self.reason, self.detail)


class StateVersionError(ContractError):
    """The engine's state was written by a program that this one does not understand."""

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(
            f"the state of {what} is of another version ({detail}): go back to the program that"
            " wrote it, or start a new generation, which replays what Kafka retains"
        )
        self.what = what
        self.detail = detail

    def __reduce__(self) -> tuple[type[StateVersionError], tuple[str, str]]:
        """Survive the way between worker processes."""
        return StateVersionError, (self.what, self.detail)
