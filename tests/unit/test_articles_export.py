"""What `articles export` writes of a bus, and that `backtest` reads it back as it was."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.bus.base import Start
from connectors.bus.memory import MemoryBus, MemorySubscriber
from deploy import articles_export
from deploy.backtest.run import read_statuses
from deploy.cli.articles import dead_letters, export
from deploy.errors import WrongUse
from pipeline.contracts.clock import FakeClock
from pipeline.contracts.codec import encode
from pipeline.contracts.records import Article, DeadLetter, DeadReason, FeedStatus
from pipeline.contracts.topics import ARTICLES, DEAD_LETTERS, FEEDS, topic_specs

START = datetime(2026, 3, 2, 10, 5, 1, 250_000, UTC)
BUCKET = timedelta(minutes=5)


def status(n: int) -> FeedStatus:
    return FeedStatus(datetime(2026, 3, 2, 10, tzinfo=UTC) + n * BUCKET, "küste", 4, 3, n, 4, "c1")


ARTICLE = Article("a1", "f", "g", "p", "o", "The harbour", "", None, (), None, None, START)


@pytest.fixture(autouse=True)
def bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MemoryBus:
    """Three reports, a message that is none, and an article; five minutes between the reports."""
    clock = FakeClock(START)
    made = MemoryBus(topic_specs(), clock)
    made.append(ARTICLES, b"a1", encode(ARTICLE))
    for n in range(3):
        made.append(FEEDS, b"g", encode(status(n)))
        clock.advance(BUCKET.total_seconds())
    made.append(FEEDS, b"g", b"no report")

    def subscribe(_: str, topics: Iterable[str], *, client_id: str, start: Any) -> Any:
        return MemorySubscriber(made, tuple(topics), start=start or Start.EARLIEST)

    monkeypatch.setattr(articles_export, "KafkaSubscriber", subscribe)
    monkeypatch.setenv("STRAITWATCH_HOME", str(tmp_path / "home"))
    return made


def test_feed_reports_come_back_as_they_were_with_the_time_at_which_they_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(tmp_path / "a.jsonl", feeds_status=tmp_path / "s.jsonl")

    assert list(read_statuses(tmp_path / "s.jsonl")) == [
        (START + n * BUCKET, status(n)) for n in range(3)
    ]
    assert json.loads((tmp_path / "a.jsonl").read_text())["id"] == "a1"
    assert capsys.readouterr().err.splitlines() == [
        "straitwatch: 1 articles",
        "straitwatch: 3 feed reports",
        "straitwatch: 1 messages are no feed reports",
    ]


def test_dead_letters_come_with_their_reason_their_place_and_what_they_said(
    bus: MemoryBus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = DeadLetter(
        "decode", DeadReason.NOT_JSON, "at 0", ARTICLES, 1, 7, b"\xffhello" + b"!" * 500, START
    )
    bus.append(DEAD_LETTERS, ARTICLES.encode(), encode(letter))

    dead_letters(tmp_path / "d.jsonl")

    (line,) = (tmp_path / "d.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["step"], told["reason"], told["error"]) == ("decode", "not_json", "at 0")
    assert (told["source_topic"], told["partition"], told["offset"]) == (ARTICLES, 1, 7)
    assert base64.b64decode(told["payload"]) == letter.payload
    assert told["text"].startswith("\ufffdhello!")
    assert len(told["text"]) == 400
    assert capsys.readouterr().err == "straitwatch: 1 dead letters\n"


def test_reports_are_of_the_time_that_was_asked_for(tmp_path: Path) -> None:
    since, until = "2026-03-02T10:06Z", "2026-03-02T10:15:01.25Z"

    export(tmp_path / "a.jsonl", since, until, feeds_status=tmp_path / "s.jsonl")

    assert [s for _, s in read_statuses(tmp_path / "s.jsonl")] == [status(1)]
    assert (tmp_path / "a.jsonl").read_text() == ""


def test_articles_and_reports_in_one_file_are_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    with pytest.raises(WrongUse, match="both --out and --feeds-status"):
        export(tmp_path / "a.jsonl", feeds_status=tmp_path / "x" / ".." / "a.jsonl")

    assert not (tmp_path / "a.jsonl").exists()


def test_a_report_without_the_time_of_its_coming_is_known_at_its_buckets_end(
    tmp_path: Path,
) -> None:
    late = json.loads(encode(status(1))) | {"fetched_at": "2026-03-02T10:30:00+00:00"}
    lines = [encode(status(0)), json.dumps(late).encode(), encode(status(2))]
    (tmp_path / "s.jsonl").write_bytes(b"\n".join(lines))

    known = [at for at, _ in read_statuses(tmp_path / "s.jsonl")]

    half_past = datetime(2026, 3, 2, 10, 30, tzinfo=UTC)
    assert known == [datetime(2026, 3, 2, 10, 5, tzinfo=UTC), half_past, half_past]


@pytest.mark.parametrize("told", [7, "yesterday", "2026-03-02T10:30:00", "9999-01-01T00:00:00Z"])
def test_a_time_of_coming_that_is_none_is_told_with_its_line(told: Any, tmp_path: Path) -> None:
    line = json.dumps(json.loads(encode(status(0))) | {"fetched_at": told})
    (tmp_path / "s.jsonl").write_text(line)

    with pytest.raises(WrongUse, match=r"s\.jsonl:1: fetched_at"):
        list(read_statuses(tmp_path / "s.jsonl"))
