"""Places for polls: fast ones, and a lane of their own for those that last.

A poll that has not ended in a few seconds gives its fast place back and goes on in the slow lane,
so that no number of slow feeds takes the places of the others.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

PATIENCE: Final = 2.0
"""Seconds in a fast place: nearly every healthy feed has answered by then."""


class Lanes:
    """Counts who is where. Belongs to one event loop."""

    def __init__(self, fast: int, slow: int, patience: float = PATIENCE) -> None:
        self._fast_places = fast
        self._slow_places = slow
        self._patience = patience
        self._fast: dict[asyncio.Task[Any], asyncio.TimerHandle] = {}
        self._slow: set[asyncio.Task[Any]] = set()

    @property
    def free(self) -> int:
        """Fast places that nobody has."""
        return self._fast_places - len(self._fast)

    @property
    def has_slow_place(self) -> bool:
        """Whether the slow lane takes one more."""
        return len(self._slow) < self._slow_places

    def enter(self, task: asyncio.Task[Any], slow: bool) -> None:
        """Give ``task`` a place; a feed that is known to be slow starts in the slow lane."""
        if slow:
            self._slow.add(task)
        else:
            self._watch(task)

    def leave(self, task: asyncio.Task[Any]) -> None:
        """``task`` is over."""
        if (timer := self._fast.pop(task, None)) is not None:
            timer.cancel()
        self._slow.discard(task)

    def _watch(self, task: asyncio.Task[Any]) -> None:
        loop = asyncio.get_running_loop()
        self._fast[task] = loop.call_later(self._patience, self._move, task)

    def _move(self, task: asyncio.Task[Any]) -> None:
        if task not in self._fast:
            return
        if self.has_slow_place:
            del self._fast[task]
            self._slow.add(task)
        else:
            self._watch(task)  # the lane is full: it keeps its place until one comes free
