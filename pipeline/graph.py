"""The whole pipeline on one screen.

    articles ─ DecodeAndTag ─┐
    articles ─ DecodeAndTag ─┴─ DropRepeats ─ GroupStories ─┐
                                                            ├─ DetectSpikes ─ alerts, series
    feed status ─ DecodeStatus ─────────────────────────────┘

The articles are read in parts, each with a worker process of its own: reading, decoding and tagging
are most of the work, and a process of Python has one core. All that has state is in one more.

Every collection has exactly one consumer; where two things come out of a step they are two tagged
outputs. With two consumers the engine numbers the stages behind them at random for each submission,
and a restore then loses keyed state without an error (`deploy/decisions/0001-engine.md`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from pipeline.rules.alerts.detector import DetectorSettings
from pipeline.rules.alerts.handover import Handover
from pipeline.rules.stories.index import StorySettings
from pipeline.transforms.decode import DecodeAndTag, DecodeStatus, Tags
from pipeline.transforms.detect_spikes import SERIES, DetectSpikes
from pipeline.transforms.drop_repeats import LEDGER, DropRepeats
from pipeline.transforms.group_stories import TAGGED, GroupStories
from pipeline.transforms.letters import DEAD_LETTERS
from pipeline.transforms.workers import in_worker


@dataclass(frozen=True)
class Rules:
    """What decides."""

    tagger: Tags
    stories: StorySettings
    detectors: Mapping[str, DetectorSettings]
    """By topic: these topics are watched."""


@dataclass(frozen=True)
class Sources:
    """Where `RawBatch`es come from."""

    articles: Sequence[beam.PTransform[Any, Any]]
    """Each some partitions, no partition twice."""
    feeds: beam.PTransform[Any, Any]


@dataclass(frozen=True)
class Sinks:
    """Where `Keyed` records go."""

    tagged: beam.PTransform[Any, Any]
    series: beam.PTransform[Any, Any]
    alerts: beam.PTransform[Any, Any]
    ledger: beam.PTransform[Any, Any]
    dead_articles: beam.PTransform[Any, Any]
    dead_feeds: beam.PTransform[Any, Any]
    dead_stories: beam.PTransform[Any, Any]
    dead_spikes: beam.PTransform[Any, Any]


@dataclass
class _ReadAndTag(beam.PTransform[Any, Any]):
    source: beam.PTransform[Any, Any]
    tagger: Tags
    dead: beam.PTransform[Any, Any]

    def expand(self, root: Any) -> Any:
        decoded = (
            root
            | "Read" >> self.source
            # RawBatch: some hundred records of one partition
            | "DecodeAndTag" >> DecodeAndTag(self.tagger)
        )
        decoded[DEAD_LETTERS] | "WriteDead" >> self.dead
        return decoded["main"]


def build(
    root: beam.Pipeline,
    sources: Sources,
    sinks: Sinks,
    rules: Rules,
    generation: str,
    handovers: Mapping[str, Handover] | None = None,
) -> None:
    """Lay the pipeline out on ``root``.

    Args:
        root: an empty pipeline.
        sources: of articles and of feed status.
        sinks: for everything that comes out.
        rules: in force.
        generation: names this submission from the start of the log; goes into the ledger.
        handovers: what the generation before has left, by topic; a restore needs the same.
    """
    tagged = [
        root
        | f"Articles{number}"
        >> in_worker(f"articles-{number}", _ReadAndTag(source, rules.tagger, sinks.dead_articles))
        for number, source in enumerate(sources.articles)
    ]
    # (partition, batch of tagged records)
    unique = tagged | "Gather" >> beam.Flatten() | "DropRepeats" >> DropRepeats(generation)
    unique[LEDGER] | "WriteLedger" >> sinks.ledger

    # (shard of languages, article on topic)
    grouped = unique["main"] | "GroupStories" >> GroupStories(rules.stories)
    grouped[TAGGED] | "WriteTagged" >> sinks.tagged
    grouped[DEAD_LETTERS] | "WriteDeadStories" >> sinks.dead_stories

    status = (
        root
        | "ReadFeeds" >> sources.feeds
        # RawBatch
        | "DecodeStatus" >> DecodeStatus(tuple(sorted(rules.detectors)))
    )
    status[DEAD_LETTERS] | "WriteDeadFeeds" >> sinks.dead_feeds

    # (topic, article with its story) and (topic, feed status)
    detected = (
        (grouped["main"], status["main"])
        | "Join" >> beam.Flatten()
        | "DetectSpikes"
        >> DetectSpikes(rules.detectors, rules.tagger.rules_version, handovers or {})
    )
    detected["main"] | "WriteAlerts" >> sinks.alerts
    detected[SERIES] | "WriteSeries" >> sinks.series
    detected[DEAD_LETTERS] | "WriteDeadSpikes" >> sinks.dead_spikes
