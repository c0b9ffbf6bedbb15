"""The pipeline and the backtest decide alike: the same alerts, revision for revision."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.backtest.replay import Replay, Rules
from pipeline.contracts.codec import decode, encode
from pipeline.contracts.records import Alert, Article, FeedStatus, TaggedArticle


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Any:
    """The module beside this one, for its records."""
    return request.config.pluginmanager.get_plugin(str(request.path.parent / "conftest.py"))


def test_a_backtest_with_the_same_feed_status_gives_the_pipelines_alerts(
    world: Any, episode: Any, reference: Any
) -> None:
    articles, feeds = episode
    records = sorted(
        (r.append_ms, partition, r.offset, r.value)
        for partition, log in articles.records.items()
        for r in log
    )
    rules = world.rules()
    replay = Replay(Rules(rules.tagger, rules.detectors, rules.stories))

    decided = list(
        replay.run(
            (decode(Article, value) for *_, value in records),
            (
                (datetime.fromtimestamp(r.append_ms / 1000, UTC), decode(FeedStatus, r.value))
                for r in feeds.records[0]
            ),
        )
    )

    alerts = [encode(d) for d in decided if isinstance(d, Alert)]
    # The pipeline ticks on after the last article; the archive ends with it.
    assert alerts
    assert alerts == [encode(a) for a in reference.alerts][: len(alerts)]
    tagged = [encode(d) for d in decided if isinstance(d, TaggedArticle)]
    assert sorted(tagged) == sorted(map(encode, reference.tagged))
