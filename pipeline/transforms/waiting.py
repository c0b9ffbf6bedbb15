"""Records that wait for the end of their step on the seen clock, all taken in one order."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from pipeline.transforms.wire import Placed


class Waiting:
    """Out in the order of time, place and content, whatever order they came in.

    Args:
        step_ms: length of a step; steps begin at 1970.
    """

    def __init__(self, step_ms: int) -> None:
        self._step_ms = step_ms
        self._heap: list[Placed] = []
        self._ends: set[int] = set()

    def __len__(self) -> int:
        """Records."""
        return len(self._heap)

    def __iter__(self) -> Iterator[Placed]:
        """All, in order; they stay."""
        return iter(sorted(self._heap))

    def end_of(self, time_ms: int) -> int:
        """The end of the step that a time is in."""
        return time_ms // self._step_ms * self._step_ms + self._step_ms

    @property
    def first_end(self) -> int | None:
        """The end of the first step that something waits for."""
        return self.end_of(self._heap[0].time_ms) if self._heap else None

    def add(self, placed: Placed) -> int | None:
        """One more; the end of its step if nothing waits for that yet: a timer is due there."""
        heappush(self._heap, placed)
        end = self.end_of(placed.time_ms)
        if end in self._ends:
            return None
        self._ends.add(end)
        return end

    def remove(self, placed: Placed) -> None:
        """Let it wait no more; others of its step need a timer anew."""
        self._heap.remove(placed)
        heapify(self._heap)
        self._ends.discard(self.end_of(placed.time_ms))

    def until(self, time_ms: int) -> Iterator[Placed]:
        """Take out those before ``time_ms``."""
        while self._heap and self._heap[0].time_ms < time_ms:
            placed = heappop(self._heap)
            self._ends.discard(self.end_of(placed.time_ms))
            yield placed
