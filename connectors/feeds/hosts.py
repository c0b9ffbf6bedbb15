"""Manners towards one host: how many requests at a time, and how long between two.

The operator's own hosts (the allow-list) are exempt from the spacing: they were named to be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from connectors.feeds.http.guard import host_and_port
from pipeline.contracts.clock import Clock

AT_A_TIME: Final = 2
OWN_AT_A_TIME: Final = 32
SPACING: Final = 1.0
"""Seconds between two requests to one host."""
_FORGET_AFTER: Final = 600.0


@dataclass(slots=True)
class _Host:
    active: int = 0
    free_at: float = 0.0
    """When the next request may begin."""
    queue_end: float = 0.0
    """The first time that is given to nobody who waits."""


class Hosts:
    """Who may be asked now.

    Times are seconds of a clock that never goes back (`Clock.monotonic`): a machine whose time of
    day is set back by an hour would else ask nobody for that hour.
    """

    def __init__(self, own: Iterable[str] = (), spacing: float = SPACING) -> None:
        """``own``: the operator's hosts, as `Address.host` has them."""
        self._own = frozenset(own)
        self._spacing = spacing
        self._hosts: dict[str, _Host] = {}
        self._tidy_at = 0.0

    @classmethod
    def of_allow_list(cls, allow: Iterable[str]) -> Hosts:
        """With the hosts of the allow-list (``host:port`` each) as the operator's own."""
        return cls(host for host, _ in map(host_and_port, allow))

    def is_own(self, host: str) -> bool:
        """Whether the operator named the host."""
        return host in self._own

    def wait(self, host: str, now: float) -> float:
        """Seconds until ``host`` may be asked by the one who asks here; 0: now, and then `enter`.

        Each call that has to wait gets a time of its own, so that a thousand feeds of one host are
        looked at once each and not at every turn.
        """
        state = self._hosts.get(host)
        if state is None:
            return 0.0
        most = OWN_AT_A_TIME if host in self._own else AT_A_TIME
        spacing = 0.0 if host in self._own else self._spacing
        if state.active < most and state.free_at <= now:
            return 0.0
        # A place is given back at no time that is known: that one is looked at again later.
        soonest = now + spacing if state.active >= most else now
        turn = max(state.queue_end, state.free_at, soonest)
        state.queue_end = turn + spacing
        return max(turn - now, 0.1)

    def enter(self, host: str, now: float) -> None:
        """A request to ``host`` begins."""
        self._tidy(now)
        state = self._hosts.setdefault(host, _Host())
        state.active += 1
        if host not in self._own:
            state.free_at = max(state.free_at, now + self._spacing)

    async def turn(self, host: str, clock: Clock) -> None:
        """Wait until ``host`` may be asked, and begin."""
        while (wait := self.wait(host, clock.monotonic())) > 0:
            await clock.asleep(wait)
        self.enter(host, clock.monotonic())

    def hold(self, host: str, until: float) -> None:
        """No request to ``host`` before ``until``: it asks for longer pauses than ours."""
        state = self._hosts.setdefault(host, _Host())
        state.free_at = max(state.free_at, until)

    def leave(self, host: str) -> None:
        """It is over."""
        self._hosts[host].active -= 1

    @contextmanager
    def lent(self, host: str) -> Iterator[None]:
        """Free the place of one who holds it and asks ``host`` nothing for a while."""
        self._hosts.setdefault(host, _Host()).active -= 1
        try:
            yield
        finally:
            self._hosts.setdefault(host, _Host()).active += 1

    def _tidy(self, now: float) -> None:
        if now < self._tidy_at:
            return
        self._tidy_at = now + _FORGET_AFTER
        self._hosts = {
            h: s for h, s in self._hosts.items() if s.active or s.queue_end > now or s.free_at > now
        }
