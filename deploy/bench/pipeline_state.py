"""How large the pipeline's keyed state becomes, day by day: its steps on state cells in memory.

Articles of several days go through deduplication, stories and detection on the clock of those days.
The engine keeps the same bytes, and adds its own share for every entry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.timestamp import Timestamp

from deploy.bench.pipeline import make_load
from deploy.topic_files import load_topics
from pipeline.contracts.codec import encode
from pipeline.contracts.raw import RawBatch, RawRecord
from pipeline.rules.alerts.detector import DetectorSettings
from pipeline.rules.stories.index import StorySettings
from pipeline.rules.tagging.tagger import Tagger
from pipeline.transforms.decode import _DecodeAndTag
from pipeline.transforms.detect_spikes import _DetectSpikes
from pipeline.transforms.drop_repeats import _DropRepeats
from pipeline.transforms.group_stories import _GroupStories

START: Final = datetime(2026, 1, 5, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH: Final = 50


@dataclass
class Cell:
    """A value, or a bag of entries, of keyed state."""

    value: bytes | None = None
    entries: list[bytes] = field(default_factory=list)
    is_bag: bool = True

    def read(self) -> Any:
        """What is in it."""
        return self.entries if self.is_bag else self.value

    def write(self, value: bytes) -> None:
        """A new value."""
        self.value = value

    def add(self, entry: bytes) -> None:
        """One entry more."""
        self.entries.append(entry)

    def clear(self) -> None:
        """Nothing in it."""
        self.entries = []

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.value or b"") + sum(map(len, self.entries))


@dataclass
class _Timers:
    """The times that were set and have not come."""

    due: set[int] = field(default_factory=set)

    def set(self, time: Timestamp, dynamic_timer_tag: str = "") -> None:  # noqa: ARG002
        self.due.add(time.micros)

    def fire(self, until_us: int) -> list[Timestamp]:
        now = sorted(t for t in self.due if t <= until_us)
        self.due.difference_update(now)
        return [Timestamp(micros=t) for t in now]


class _Keyed:
    """Cells and timers of each key of one step."""

    def __init__(self, bags: int) -> None:
        self.cells: dict[str, tuple[Cell, ...]] = defaultdict(
            lambda: (Cell(is_bag=False), *(Cell() for _ in range(bags)))
        )
        self.timers: dict[str, _Timers] = defaultdict(_Timers)

    @property
    def size(self) -> int:
        return sum(cell.size for cells in self.cells.values() for cell in cells)


def grow(days: int, articles_a_day: int) -> Iterator[dict[str, int]]:
    """At the end of each day: bytes of state by step, and the articles so far."""
    pipeline = _Pipeline()
    pause = timedelta(days=1) / articles_a_day
    for day in range(days):
        records: list[RawRecord] = []
        for number, made in enumerate(make_load(articles_a_day, day * articles_a_day, "state")):
            now = START + timedelta(days=day) + number * pause
            article = replace(made, seen_at=now, published_at=now)
            ms = (now - _EPOCH) // timedelta(milliseconds=1)
            records.append(RawRecord(day * articles_a_day + number, ms, encode(article)))
        for at in range(0, len(records), _BATCH):
            pipeline.take(tuple(records[at : at + _BATCH]))
        sizes = {name: kept.size for name, kept in pipeline.kept.items()}
        yield {"day": day + 1, "articles": (day + 1) * articles_a_day, **sizes}


class _Pipeline:
    """The steps of the pipeline, one after another, as an engine calls them."""

    def __init__(self) -> None:
        topic_set = load_topics(None)
        tagger = Tagger(topic_set)
        settings = {topic.name: DetectorSettings() for topic in topic_set.topics}
        self._decode = _DecodeAndTag(tagger)
        self._repeats: Any = _DropRepeats("bench")
        self._stories: Any = _GroupStories(StorySettings())
        self._spikes: Any = _DetectSpikes(settings, tagger.rules_version)
        for step in (self._repeats, self._stories, self._spikes):
            step.setup()
        self.kept = {"repeats": _Keyed(4), "stories": _Keyed(2), "spikes": _Keyed(2)}

    def take(self, records: tuple[RawRecord, ...]) -> None:
        """One batch, and then the clock at its end."""
        repeats, stories, spikes = self.kept.values()
        key = "articles/0"
        for packed in self._decode.process(RawBatch("articles", 0, records)):
            for out in self._repeats.process(packed, *repeats.cells[key], repeats.timers[key]):
                lang = out.value[0]
                self._stories.process(out.value, *stories.cells[lang], stories.timers[lang])
        until_us = records[-1].append_ms * 1000
        for topic, value in self._group(until_us):
            self._spikes.process((topic, value), *spikes.cells[topic], spikes.timers[topic])
        for topic, cells in spikes.cells.items():
            timers = spikes.timers[topic]
            while due := timers.fire(until_us):
                for time in due:
                    list(self._spikes.on_tick(topic, time, *cells, timers))

    def _group(self, until_us: int) -> Iterator[tuple[str, bytes]]:
        stories = self.kept["stories"]
        for lang, cells in stories.cells.items():
            for time in stories.timers[lang].fire(until_us):
                for out in self._stories.group(lang, time, *cells):
                    if not isinstance(out, TaggedOutput):
                        yield out.value
