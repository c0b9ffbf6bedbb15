"""The pipeline's metrics go on whatever stands on the ledger."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.bus.base import Message
from deploy.pipeline_metrics import LedgerCollector, take_all
from pipeline.contracts import codec
from pipeline.contracts.records import DeadLetter, DeadReason, Ledger
from pipeline.contracts.topics import LEDGER, topic_specs


def _message(offset: int, value: bytes | None) -> Message:
    return Message(LEDGER, 0, offset, datetime(2030, 1, 1, tzinfo=UTC), b"key", value)


def _record(tagged: int) -> bytes:
    return codec.encode(Ledger("news.articles.v1", 0, 0, tagged - 1, tagged, 0, 0, 0, 0))


def test_a_message_that_is_no_ledger_record_is_logged_and_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    collector = LedgerCollector()

    take_all(
        Ledger,
        collector.take,
        [_message(0, _record(2)), _message(1, b"\xff"), _message(2, None), _message(3, _record(5))],
    )

    samples = [
        s for m in collector.collect() for s in m.samples if s.labels == {"outcome": "tagged"}
    ]
    assert [s.value for s in samples] == [5]
    assert "offset 1 is no Ledger record" in caplog.text


def test_what_a_rule_failed_on_is_counted_by_step_and_shown_before_the_first() -> None:
    collector = LedgerCollector()

    def failures() -> dict[str, float]:
        return {
            s.labels["step"]: s.value
            for m in collector.collect()
            if m.name == "straitwatch_pipeline_rule_failures"
            for s in m.samples
        }

    assert failures() == {"TagArticle": 0, "GroupStories": 0, "DetectSpikes": 0}
    at = datetime(2030, 1, 1, tzinfo=UTC)
    for step, reason in (
        ("DetectSpikes", DeadReason.RULE_FAILED),
        ("DecodeArticle", DeadReason.NOT_JSON),
        ("TagArticle", DeadReason.RULE_FAILED),
        ("DetectSpikes", DeadReason.RULE_FAILED),
    ):
        collector.take_letter(DeadLetter(step, reason, "", "news.articles.v1", 0, 0, b"", at))
    assert failures() == {"TagArticle": 1, "GroupStories": 0, "DetectSpikes": 2}


def test_topics_that_expire_begin_a_segment_a_day_and_compacted_ones_do_not() -> None:
    for spec in topic_specs():
        wanted = None if spec.retention is None else "86400000"
        assert spec.config().get("segment.ms") == wanted
