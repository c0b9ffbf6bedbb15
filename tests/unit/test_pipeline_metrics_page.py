"""The pipeline's metrics go on whatever stands on the ledger."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.bus.base import Message
from deploy.pipeline_metrics import LedgerCollector, take_all
from pipeline.contracts import codec
from pipeline.contracts.records import Ledger
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
        collector,
        [_message(0, _record(2)), _message(1, b"\xff"), _message(2, None), _message(3, _record(5))],
    )

    samples = [
        s for m in collector.collect() for s in m.samples if s.labels == {"outcome": "tagged"}
    ]
    assert [s.value for s in samples] == [5]
    assert "offset 1 is no ledger record" in caplog.text


def test_topics_that_expire_begin_a_segment_a_day_and_compacted_ones_do_not() -> None:
    for spec in topic_specs():
        wanted = None if spec.retention is None else "86400000"
        assert spec.config().get("segment.ms") == wanted
