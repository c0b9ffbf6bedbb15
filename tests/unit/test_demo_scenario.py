"""What the demo's outlets publish: the same each time, and what the story needs."""

from __future__ import annotations

import signal
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from connectors.desk.message import compose
from deploy.cli.signals import end_on_signals
from deploy.demo.outlets import OutletServer
from deploy.demo.picture import sample_alert
from deploy.demo.run import DemoResult
from deploy.demo.scenario import TOPIC, Scenario
from deploy.demo.story import tell
from deploy.ledger import LedgerView
from deploy.topic_files import load_topics
from pipeline.rules.tagging.tagger import Tagger
from tests.conftest import wait_until

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
EMPTY = LedgerView(0, 0, 0, 0, 0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger(load_topics(None))


def test_the_same_times_give_the_same_items() -> None:
    one, two = Scenario(), Scenario()

    assert list(one.history(NOW, 3)) == list(two.history(NOW, 3))
    assert one.morning(NOW) == two.morning(NOW)
    assert one.crisis(NOW) == two.crisis(NOW)


def test_the_report_of_the_whole_story_has_all_three_topics(tagger: Tagger) -> None:
    scenario = Scenario()
    (item,) = [i for i in scenario.crisis(NOW) if i.title == scenario.whole_story]

    topics = {tag.topic for tag in tagger.tag(item.title, item.summary).topics}

    assert topics == {"japan-china", "taiwan", "us-trade"}


def test_every_item_of_the_crisis_is_about_the_topic_that_escalates(tagger: Tagger) -> None:
    for item in Scenario().crisis(NOW):
        topics = {tag.topic for tag in tagger.tag(item.title, item.summary).topics}
        assert TOPIC in topics, item.title


def test_reports_of_coercion_or_force_come_in_all_four_languages(tagger: Tagger) -> None:
    results = [tagger.tag(item.title, item.summary) for item in Scenario().crisis(NOW)]
    serious = {
        r.lang for r in results for tag in r.topics if tag.topic == TOPIC and tag.escalation >= 2
    }

    assert serious >= {"en", "ja", "zh-Hans", "zh-Hant"}


def test_quiet_days_hold_a_few_measures_and_no_force(tagger: Tagger) -> None:
    levels = [
        tag.escalation
        for item in Scenario().history(NOW, 28)
        for tag in tagger.tag(item.title, item.summary).topics
        if tag.topic == TOPIC
    ]
    escalating = [level for level in levels if level > 0]

    assert max(levels) <= 2
    # Enough that the baseline has something to learn, too few for an alert of their own.
    assert 28 <= len(escalating) <= 3 * 28


def test_one_item_of_the_crisis_is_weeks_old_and_one_story_is_printed_three_times() -> None:
    items = Scenario().crisis(NOW)
    old = [i for i in items if NOW - i.published_at > timedelta(days=1)]
    titles = [i.title for i in items]

    assert [NOW - i.published_at for i in old] == [timedelta(days=20)]
    assert sorted(titles.count(t) for t in set(titles)) == [1] * 11 + [3]


def test_the_hostile_outlet_sends_without_end_while_another_answers() -> None:
    scenario = Scenario()
    hostile = scenario.hostile.slug
    with OutletServer(scenario.outlets, hostile=hostile) as server:
        server.publish(scenario.crisis(NOW))
        with urllib.request.urlopen(server.url(hostile), timeout=10) as endless:
            assert len(endless.read(3_000_000)) == 3_000_000
            with urllib.request.urlopen(server.url("minato"), timeout=10) as page:
                assert b"</rss>" in page.read()
        # The other's item and its broken entry; counted once the answer has gone out.
        wait_until(lambda: server.served == 2, "two entries are counted as served")


def test_without_an_alert_the_result_is_no_success_but_has_its_line() -> None:
    result = DemoResult(2, EMPTY, frozenset({"a"}), (), ())

    assert not result.ok
    assert result.as_json()["event"] == "done"
    assert (result.as_json()["alerts_raised"], result.as_json()["alerts_delivered"]) == (1, 0)
    assert "lost: 0" in tell(result)


def test_the_picture_shows_the_topic_that_escalates() -> None:
    assert TOPIC in compose(sample_alert()).title


def test_sigterm_and_sighup_end_a_command_in_order_and_only_once() -> None:
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        end_on_signals()
        with pytest.raises(SystemExit) as end:
            signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)  # while it tidies up: nothing happens
        assert end.value.code == 128 + signal.SIGHUP
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
