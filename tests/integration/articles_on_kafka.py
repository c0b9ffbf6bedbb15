"""Articles put on Kafka as a connector would, and how many the pipeline's ledger has counted."""

from __future__ import annotations

from datetime import UTC, datetime

from connectors.bus.base import Start, drain
from connectors.bus.errors import Unavailable
from connectors.bus.kafka import KafkaPublisher, KafkaSubscriber
from deploy.ledger import newest_of_each
from pipeline.contracts.codec import decode, encode
from pipeline.contracts.records import Ledger
from pipeline.contracts.topics import ARTICLES, LEDGER
from tests.graph.conftest import article


def send_articles(kafka: str, first: int, count: int) -> None:
    """Acknowledged when this returns; numbered from ``first`` on."""
    publisher = KafkaPublisher(kafka, client_id="test")
    for number in range(first, first + count):
        sent = article(number, datetime.now(UTC))
        publisher.send(ARTICLES, sent.article_id.encode(), encode(sent)).result(30)
    publisher.close()


def counted(kafka: str) -> int:
    """Articles of all partitions that the ledger has come to; 0 while there is none."""
    try:
        subscriber = KafkaSubscriber(kafka, [LEDGER], client_id="test", start=Start.EARLIEST)
    except Unavailable:
        return 0
    try:
        newest = newest_of_each(decode(Ledger, m.value) for m in drain(subscriber))
    finally:
        subscriber.close()
    return sum(r.through_offset + 1 for r in newest.values())
