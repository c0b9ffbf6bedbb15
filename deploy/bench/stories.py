"""How fast stories are grouped, and what an article in the index weighs.

On invented headlines whose words are as unevenly common as a language's (Zipf), one in five a copy:
an article costs by how many others of the window share its rare grams. In CPU time of one core, so
that what else runs on the machine does not count.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pipeline.contracts.records import Lang
from pipeline.rules.stories import StoryIndex, StoryItem

_START: Final = datetime(2026, 3, 2, tzinfo=UTC)
_WINDOW: Final = timedelta(hours=72)
_COPIES: Final = 0.2
_SYLLABLES: Final = {
    Lang.EN: [
        a + v + c for a in "bdfghklmnprstvw" for v in "aeiou" for c in ("", "n", "r", "s", "t")
    ],
    Lang.JA: list(
        "港市長北南東西山川田中本大小高新会議員米国対交渉輸出入関税延期決定合意批判のをにが"
    ),
}
_VOCABULARY: Final = 6_000


@dataclass(frozen=True, slots=True)
class StoryRow:
    """One measurement."""

    lang: str
    articles: int
    in_window: int
    """In the index at the end."""
    per_second: int
    us_each: float
    bytes_each: int
    """Of memory, for each article in the window."""
    log_bytes_each: int
    """Of the log that rebuilds the index."""
    restored_per_second: int
    """Articles a second when the log is replayed."""


def run(articles: int, seed: int = 1) -> list[StoryRow]:
    """Measure each language with so many articles spread over six days."""
    return [_measure(lang, articles, seed) for lang in _SYLLABLES]


def _measure(lang: Lang, articles: int, seed: int) -> StoryRow:
    items = _items(lang, articles, seed)
    index = StoryIndex()
    began = time.process_time()
    log = [index.assign(item)[1] for item in items]
    took = time.process_time() - began
    live = log[-len(index) :]
    began = time.process_time()
    restored = StoryIndex.restore(None, live)
    replay = time.process_time() - began
    del index, restored
    # Memory in a run of its own: tracing makes everything slower.
    tracemalloc.start()
    weighed = StoryIndex.restore(None, live)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return StoryRow(
        lang=lang.value,
        articles=articles,
        in_window=len(weighed),
        per_second=round(articles / took),
        us_each=round(took / articles * 1e6, 1),
        bytes_each=round(size / max(len(weighed), 1)),
        log_bytes_each=round(sum(map(len, live)) / max(len(live), 1)),
        restored_per_second=round(len(live) / replay),
    )


def _items(lang: Lang, articles: int, seed: int) -> list[StoryItem]:
    draw = random.Random(seed)  # noqa: S311 - a load, no secret
    joint = " " if lang is Lang.EN else ""
    words = [
        "".join(draw.choices(_SYLLABLES[lang], k=draw.randint(2, 3))) for _ in range(_VOCABULARY)
    ]
    weights = [1 / (rank + 3) for rank in range(_VOCABULARY)]
    step = 2 * _WINDOW / articles
    made: list[StoryItem] = []
    for n in range(articles):
        if made and draw.random() < _COPIES:
            title = draw.choice(made[-200:]).title
        else:
            title = joint.join(draw.choices(words, weights, k=8)) + f" {draw.randrange(1000)}"
        owner = f"Outlet {draw.randrange(60)}"
        at = _START + n * step
        made.append(
            StoryItem(f"a{n}", 0, lang, title, "", f"https://o.example/{n}", owner, owner, at, at)
        )
    return made
