"""Load for runs of the whole service: made-up topics, made-up outlets, items that are all distinct.

Words are drawn from syllables, so that no two stories look alike and nothing is on a real topic.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import tomli_w

from deploy.demo.outlets import OutletServer
from deploy.demo.scenario import Item, Outlet

_SYLLABLES: Final = tuple(c + v for c in "bdfgklmnprstvz" for v in "aeio")
FORCE_WORD: Final = "bombardment"
"""The made-up topics' word for force: level 3."""


@dataclass(frozen=True, slots=True)
class Load:
    """Distinct items for ``topics`` made-up topics and as many off-topic ones as asked."""

    topics: tuple[str, ...]
    outlets: tuple[Outlet, ...]
    seed: int = 1

    @staticmethod
    def of(topics: int, outlets: int, seed: int = 1) -> Load:
        """So many topics and outlets."""
        return Load(
            tuple(f"bench-{word(1_000_003 * (n + 1), 4)}" for n in range(topics)),
            tuple(
                Outlet(f"outlet-{n:02}", f"Outlet {n:02}", f"Owner {n:02}", "en")
                for n in range(outlets)
            ),
            seed,
        )

    def items(self, on_topic: float) -> Iterator[tuple[str, str, str | None]]:
        """Endless (title, summary, topic or None); a share ``on_topic`` is on one, with force."""
        dice = random.Random(self.seed)  # noqa: S311 - load, not a secret
        while True:
            topic = dice.choice(self.topics) if dice.random() < on_topic else None
            yield (*self.text(topic, dice), topic)

    def text(self, topic: str | None, dice: random.Random) -> tuple[str, str]:
        """A title and a summary of about 200 characters that nobody wrote before."""
        words = [word(dice.getrandbits(40), dice.randint(2, 4)) for _ in range(30)]
        title = words[:8]
        if topic is not None:
            title[2:2] = [subject(topic), FORCE_WORD]
        return " ".join(title).capitalize(), " ".join(words[8:]).capitalize() + "."


def word(number: int, syllables: int) -> str:
    """A pronounceable word for a number."""
    out = []
    for _ in range(syllables):
        number, rest = divmod(number, len(_SYLLABLES))
        out.append(_SYLLABLES[rest])
    return "".join(out)


def subject(topic: str) -> str:
    """The word that puts a text on a made-up topic."""
    return "x" + topic.removeprefix("bench-")


def write_topics(folder: Path, load: Load) -> None:
    """The topic files of the made-up topics."""
    folder.mkdir(parents=True, exist_ok=True)
    for topic in load.topics:
        content = {
            "schema": 1,
            "topic": topic,
            "title": topic,
            "set": [
                {"name": "subject", "weight": 3.0, "en": [subject(topic)]},
                {"name": "force", "en": [FORCE_WORD]},
            ],
            "escalation": [{"name": "force", "level": 3, "all": ["subject", "force"]}],
        }
        (folder / f"{topic}.toml").write_text(tomli_w.dumps(content), encoding="utf-8")


def write_feed_list(path: Path, load: Load, server: OutletServer) -> None:
    """The feed list of the made-up outlets."""
    feeds = [
        {
            "url": server.url(outlet.slug),
            "publisher": outlet.publisher,
            "owner": outlet.owner,
            "language": outlet.language,
            "group": f"bench-{n % 3}",
        }
        for n, outlet in enumerate(load.outlets)
    ]
    path.write_text(tomli_w.dumps({"feed": feeds}), encoding="utf-8")


def item(outlet: Outlet, number: int, text: tuple[str, str], now: datetime) -> Item:
    """An item of an outlet, published now."""
    return Item(outlet.slug, number, text[0], text[1], now)
