"""How fast stories are grouped, and what an article in the index weighs.

On invented headlines whose words are as unevenly common as a language's (Zipf), one in five a copy:
an article costs by how many others of the window share its rare grams. Then with leads, and the
worst: every text of the same few words. In CPU time of one core, so that what else runs on the
machine counts little.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final

from pipeline.contracts.records import Lang
from pipeline.rules.stories.index import StoryIndex, StoryItem

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
_FEW_WORDS: Final = 100


@dataclass(frozen=True, slots=True)
class _Load:
    lang: Lang
    name: str
    vocabulary: int
    lead_words: int


_LOADS: Final = (
    _Load(Lang.EN, "titles", _VOCABULARY, 0),
    _Load(Lang.JA, "titles", _VOCABULARY, 0),
    _Load(Lang.EN, "leads", _VOCABULARY, 25),
    _Load(Lang.EN, "few words", _FEW_WORDS, 25),
)


@dataclass(frozen=True, slots=True)
class StoryRow:
    """One measurement."""

    lang: str
    load: str
    """``titles`` alone, ``leads`` as well, or all of a ``few words``."""
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
    """Measure each load with so many articles spread over six days."""
    return [_measure(load, articles, seed) for load in _LOADS]


def _measure(load: _Load, articles: int, seed: int) -> StoryRow:
    items = _items(load, articles, seed)
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
        lang=load.lang.value,
        load=load.name,
        articles=articles,
        in_window=len(weighed),
        per_second=round(articles / took),
        us_each=round(took / articles * 1e6, 1),
        bytes_each=round(size / max(len(weighed), 1)),
        log_bytes_each=round(sum(map(len, live)) / max(len(live), 1)),
        restored_per_second=round(len(live) / replay),
    )


def _items(load: _Load, articles: int, seed: int) -> list[StoryItem]:
    draw = random.Random(seed)  # noqa: S311 - a load, no secret
    joint = " " if load.lang is Lang.EN else ""
    words = [
        "".join(draw.choices(_SYLLABLES[load.lang], k=draw.randint(2, 3)))
        for _ in range(load.vocabulary)
    ]
    weights = list(accumulate(1 / (rank + 3) for rank in range(load.vocabulary)))
    step = 2 * _WINDOW / articles
    made: list[StoryItem] = []
    for n in range(articles):
        if made and draw.random() < _COPIES:
            copied = draw.choice(made[-200:])
            title, lead = copied.title, copied.summary
        else:
            title = joint.join(draw.choices(words, cum_weights=weights, k=8))
            title += f" {draw.randrange(1000)}"
            lead = joint.join(draw.choices(words, cum_weights=weights, k=load.lead_words))
        owner = f"Outlet {draw.randrange(60)}"
        at, link = _START + n * step, f"https://o.example/{n}"
        made.append(StoryItem(f"a{n}", 0, load.lang, title, lead, link, owner, owner, at, at))
    return made
