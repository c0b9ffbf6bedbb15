"""Errors of the contracts.

ContractError
└── DecodeError    bytes that are no record of ours; carries a `DeadReason`
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
