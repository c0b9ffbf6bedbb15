"""What the demo's outlets publish, and when: invented outlets, invented news, one escalation.

Pure: the same seed and the same times give the same items.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any, Final

TOPIC: Final = "japan-china"
"""The topic that escalates."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """One publisher with one feed."""

    slug: str
    publisher: str
    owner: str
    language: str

    @property
    def group(self) -> str:
        """The group of feeds that it is in: one for each language."""
        return f"demo-{self.language.lower()}"


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of one outlet's feed."""

    outlet: str
    number: int
    title: str
    summary: str
    published_at: datetime


class Scenario:
    """The outlets and what they publish."""

    def __init__(self, seed: int = 7) -> None:
        text = files("deploy.demo").joinpath("texts.toml").read_text(encoding="utf-8")
        self._texts: dict[str, Any] = tomllib.loads(text)
        self._random = random.Random(seed)  # noqa: S311 - a scenario, not a secret
        self._number = 0
        self.outlets = tuple(
            Outlet(o["slug"], o["publisher"], o.get("owner", o["publisher"]), o["language"])
            for o in self._texts["outlet"]
        )
        h = self._texts["hostile"]
        self.hostile = Outlet(h["slug"], h["publisher"], h["publisher"], h["language"])

    @property
    def whole_story(self) -> str:
        """The title of the report that tells all sides: every topic concerns it."""
        return next(str(c["title"]) for c in self._texts["crisis"] if c.get("whole_story"))

    def history(self, until: datetime, days: int) -> Iterator[Item]:
        """Ordinary days before ``until``, oldest first: what a baseline learns from."""
        start = until - timedelta(days=days)
        for hour in range(days * 24):
            moment = start + timedelta(hours=hour)
            for outlet in self.outlets:
                if self._random.random() < 0.5:
                    at = moment + timedelta(minutes=self._random.randrange(60))
                    yield self._ordinary(outlet, at)
                if self._random.random() < 0.03:
                    at = moment + timedelta(minutes=self._random.randrange(60))
                    yield self._quiet(outlet, at)

    def morning(self, now: datetime) -> list[Item]:
        """What stands in every feed when the service comes up: ordinary, published lately."""
        items = []
        for outlet in self.outlets:
            for _ in range(6):
                items.append(self._ordinary(outlet, self._lately(now)))  # noqa: PERF401
            items.append(self._quiet(outlet, self._lately(now)))
        return items

    def crisis(self, now: datetime) -> list[Item]:
        """Independent reports of one escalation, a wire story printed three times, an old item."""
        items = [
            self._item(c["outlet"], c["title"], c["summary"], now - timedelta(seconds=30 + 10 * i))
            for i, c in enumerate(self._texts["crisis"])
        ]
        for reprint in self._texts["reprint"]:
            items += [
                self._item(slug, reprint["title"], reprint["summary"], now - timedelta(seconds=20))
                for slug in reprint["outlets"]
            ]
        return [*items, self._old(now)]

    def _old(self, now: datetime) -> Item:
        old = self._texts["old"]
        at = now - timedelta(days=old["days"])
        return self._item(old["outlet"], old["title"], old["summary"], at)

    def _ordinary(self, outlet: Outlet, at: datetime) -> Item:
        return self._filled(outlet, "ordinary", at)

    def _quiet(self, outlet: Outlet, at: datetime) -> Item:
        return self._filled(outlet, "quiet", at)

    def _filled(self, outlet: Outlet, kind: str, at: datetime) -> Item:
        template = self._random.choice(self._texts[kind][outlet.language])
        title = template.format(
            n=self._random.randrange(2, 99),
            place=self._random.choice(self._texts["places"][outlet.language]),
        )
        return self._item(outlet.slug, title, "", at)

    def _lately(self, now: datetime) -> datetime:
        return now - timedelta(minutes=self._random.randrange(30, 300))

    def _item(self, slug: str, title: str, summary: str, at: datetime) -> Item:
        self._number += 1
        return Item(slug, self._number, title, summary, at)
