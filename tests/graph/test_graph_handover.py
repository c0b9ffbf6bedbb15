"""The graph tells only what the generation before has not told, and goes on with what is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.contracts.records import AlertState
from pipeline.rules.alerts.handover import Handover
from pipeline.rules.times import seconds
from tests.graph.conftest import BURST_AT, Log, Out

BURST = seconds(BURST_AT)


def test_what_was_told_before_is_not_told_again(
    run: Callable[..., Out], episode: tuple[Log, Log], reference: Out
) -> None:
    first, rest = reference.alerts[0], reference.alerts[1:]
    articles, feeds = episode

    again = run(articles.batches(), feeds.batches(), left("harbour", BURST, first))

    assert again.alerts == rest
    assert again.series == reference.series


def test_an_episode_of_before_is_old_news_when_nobody_was_told(
    run: Callable[..., Out], episode: tuple[Log, Log], reference: Out
) -> None:
    raised = seconds(reference.alerts[0].revised_at)
    articles, feeds = episode

    again = run(articles.batches(), feeds.batches(), left("harbour", raised + 1, None))

    assert all(
        a.state is not AlertState.OPEN or a.raised_at > reference.alerts[0].raised_at
        for a in again.alerts
    )
    assert all(a.alert_id != reference.alerts[0].alert_id for a in again.alerts)


def left(topic: str, since: int, alert: Any) -> dict[str, Handover]:
    return {topic: Handover(since, alert)}
