"""Errors of the bus.

BusError
├── Unavailable       the broker does not answer (now): try again later
├── DeliveryFailed    a message was not taken; carries whether trying again can help
└── Closed            used after `close`
"""

from __future__ import annotations


class BusError(Exception):
    """The root of this package's errors."""


class Unavailable(BusError):
    """The broker does not answer, or not in time. What was asked may or may not have happened."""


class DeliveryFailed(BusError):
    """One message, or some of a flush, did not reach the topic.

    ``retriable`` is False when the message itself is at fault (too large, an illegal topic name):
    sending it again will fail again.
    """

    def __init__(self, message: str, *, retriable: bool = True, failed: int = 1) -> None:
        super().__init__(message)
        self.retriable = retriable
        self.failed = failed
        """How many deliveries this stands for."""


class Closed(BusError):
    """The publisher or subscriber was closed."""
