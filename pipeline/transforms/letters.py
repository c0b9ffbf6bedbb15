"""Dead letters for articles that a rule fails on after they were decoded and tagged.

A fault of a rule on one article must not stop the monitor. The article is set aside with the reason
and the rest goes on; the log has the traceback, and a metric counts it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from apache_beam.pvalue import TaggedOutput

from pipeline.contracts.codec import encode
from pipeline.contracts.raw import Keyed
from pipeline.contracts.records import DeadLetter, DeadReason
from pipeline.contracts.topics import ARTICLES, FEEDS
from pipeline.transforms.wire import ARTICLE, Placed, at

DEAD_LETTERS: Final = "dead_letters"
"""Name of the output with dead letters."""

_LOG: Final = logging.getLogger(__name__)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def set_aside(
    step: str, placed: Placed, error: Exception, time_ms: int, note: str = ""
) -> TaggedOutput[Any, Any]:
    """The dead letter of a record that ``step`` cannot use, for `DEAD_LETTERS`.

    Args:
        step: of the pipeline.
        placed: the record with its place.
        error: what the rule raised.
        time_ms: event time of the letter, in milliseconds since 1970.
        note: before the error: which topic, say.
    """
    topic = ARTICLES if placed.value[:1] == ARTICLE else FEEDS
    place = topic, placed.partition, placed.offset
    _LOG.error("%s sets aside %s, partition %d, offset %d", step, *place, exc_info=error)
    letter = DeadLetter(
        step=step,
        reason=DeadReason.RULE_FAILED,
        error=f"{note}{error!r}"[:500],
        source_topic=topic,
        partition=placed.partition,
        offset=placed.offset,
        payload=placed.value[1:],
        at=_EPOCH + timedelta(milliseconds=placed.time_ms),
    )
    return TaggedOutput(DEAD_LETTERS, at(time_ms, Keyed(topic, encode(letter))))
