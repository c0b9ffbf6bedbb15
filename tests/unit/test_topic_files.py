"""Topic files: every way to be wrong is named with its line and its mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.errors import Refused, WrongUse
from deploy.job import JobOptions, rules
from deploy.topic_files import PACKAGED, load_topics, read_topic_files, topics_folder
from pipeline.rules.alerts.detector import DetectorSettings
from pipeline.rules.tagging.tagger import Tagger, check_examples
from pipeline.rules.tagging.topic_file import TopicFileError, TopicSet

GOOD = """\
schema = 1
topic = "bikes"
title = "Bicycles"

[[set]]
name = "bicycle"
weight = 0.6
en = ["bicycle*", "cyclist"]
zh = ["自行车"]

[[set]]
name = "race"
en = ["race"]

[[route]]
name = "a race of bicycles"
all = ["bicycle", "race"]
weight = 0.5

[[escalation]]
name = "race"
level = 1
all = ["race"]

[[example]]
text = "Bicycle race opens"
tagged = true
escalation = 1

[[example]]
text = "Horse race opens"
tagged = false
"""

BROKEN = {
    "not TOML": ('weight = 0.6\nen = ["bi', 'weight = 0.6\nen = "["bi', 8, "not TOML"),
    "no topic": ('topic = "bikes"', "", 1, "no topic; add the line"),
    "another name than the file": ('topic = "bikes"', 'topic = "trams"', 2, "rename the file"),
    "a name with capitals": ('topic = "bikes"', 'topic = "Bikes"', 2, "lower-case"),
    "an unknown key": ("weight = 0.6", "wieght = 0.6", 7, "did you mean 'weight'?"),
    "an unknown table": ("[[route]]", "[[rout]]", 15, "did you mean 'route'?"),
    "a wrong type": ("weight = 0.6", 'weight = "0.6"', 7, "must be a number"),
    "a truth value for a number": ("weight = 0.6", "weight = true", 7, "must be a number"),
    "a weight of nothing": ("weight = 0.6", "weight = 0", 7, "must not be 0"),
    "a weight too large": ("weight = 0.6", "weight = 60", 7, "between -5 and 5"),
    "a threshold of nothing": ('title = "Bicycles"', "threshold = 0", 3, "above 0"),
    "more alerts than mean anything": (
        'title = "Bicycles"',
        "alerts_a_month = 30",
        3,
        "alerts_a_month must be from 0.5 to 15",
    ),
    "no alert at all": ('title = "Bicycles"', "alerts_a_month = 0", 3, "from 0.5 to 15"),
    "alerts that are no number": ('title = "Bicycles"', "alerts_a_month = nan", 3, "from 0.5"),
    "alerts in words": ('title = "Bicycles"', 'alerts_a_month = "few"', 3, "must be a number"),
    "a set without a name": ('name = "race"\nen', "en", 11, "without 'name'"),
    "a set that is there twice": ('name = "race"\nen', 'name = "bicycle"\nen', 12, "there twice"),
    "an empty set": ('en = ["race"]', "en = []", 11, "has no term"),
    "a term that is there twice": ('"cyclist"]', '"cyclist", "CyCLIST"]', 8, "there twice"),
    "the other script of a term": ('zh = ["自行车"]', 'zh = ["自行车", "自行車"]', 9, "twice"),
    "a term of one letter": ('"cyclist"]', '"c"]', 8, "single letter"),
    "a term of signs": ('"cyclist"]', '"!!"]', 8, "no letter"),
    "a star inside a term": ('"cyclist"]', '"cy*st"]', 8, "only at an end"),
    "a term that is a number": ('"cyclist"]', "7]", 8, "must be text in quotes"),
    "an unknown language": ('zh = ["', 'cn = ["', 9, "unknown key 'cn'"),
    "a route to no set": (
        'all = ["bicycle", "race"]',
        'all = ["bicycle", "rac"]',
        17,
        "mean 'race'",
    ),
    "a list where a set's name belongs": (
        'all = ["bicycle", "race"]',
        'all = [["bicycle"], "race"]',
        15,
        "no set '['bicycle']'",
    ),
    "arrays nested beyond reading": ("weight = 0.5", "weight = " + "[" * 5000, 32, "not TOML"),
    "a number of too many digits": ("weight = 0.5", "weight = " + "9" * 5000, 32, "not TOML"),
    "another schema": ("schema = 1", "schema = 9", 1, "schema must be 1"),
    "a weight that is no number": ("weight = 0.6", "weight = nan", 7, "between -5 and 5"),
    "a weight without end": ("weight = 0.6", "weight = inf", 7, "between -5 and 5"),
    "a weight beyond any float": ("weight = 0.6", f"weight = 1{'0' * 400}", 7, "between -5 and 5"),
    "a threshold that is no number": ('title = "Bicycles"', "threshold = nan", 3, "above 0"),
    "a threshold beyond any float": (
        'title = "Bicycles"',
        f"threshold = 1{'0' * 400}",
        3,
        "above 0",
    ),
    "a list for a set's name": ('name = "race"\nen', "name = [1]\nen", 12, "text in quotes"),
    "a route of nothing": ('all = ["bicycle", "race"]', "", 15, "names no set"),
    "a distance of nothing": ("weight = 0.5", "within = 0", 18, "from 1 to 1000"),
    "a language of no text": ("weight = 0.5", 'languages = ["fr"]', 18, "no language 'fr'"),
    "a level that there is not": ("level = 1", "level = 4", 22, "1 (friction)"),
    "an example without a text": ('text = "Horse race opens"\n', "", 30, "without 'text'"),
    "an example of an empty text": ('"Horse race opens"', '""', 31, "empty"),
}


@pytest.mark.parametrize(("old", "new", "line", "message"), BROKEN.values(), ids=list(BROKEN))
def test_a_broken_file_is_told_with_its_line(old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    with pytest.raises(TopicFileError) as caught:
        TopicSet.parse({"bikes.toml": GOOD.replace(old, new)})
    told = [str(fault) for fault in caught.value.faults]
    assert any(t.startswith(f"bikes.toml:{line}: ") and message in t for t in told), told
    assert all("\n" not in t for t in told)


def test_how_many_alerts_one_wants_is_part_of_the_rules() -> None:
    asked = GOOD.replace('title = "Bicycles"', 'title = "Bicycles"\nalerts_a_month = 2')
    plain, changed = TopicSet.parse({"bikes.toml": GOOD}), TopicSet.parse({"bikes.toml": asked})

    assert (plain.topics[0].alerts_a_month, changed.topics[0].alerts_a_month) == (None, 2.0)
    assert plain.version != changed.version


def test_the_job_watches_a_topic_as_closely_as_its_file_asks() -> None:
    def sensitivity(line: str) -> float:
        text = GOOD.replace('title = "Bicycles"', line)
        options = JobOptions(bootstrap="", topic_files={"bikes.toml": text})
        return rules(options).detectors["bikes"].sensitivity

    usual = sensitivity("")
    assert usual == DetectorSettings().sensitivity
    assert sensitivity("alerts_a_month = 1") < usual < sensitivity("alerts_a_month = 10")


def test_a_set_that_nobody_uses_is_a_fault() -> None:
    text = GOOD.replace('all = ["bicycle", "race"]', 'all = ["bicycle"]')
    text = text.replace('all = ["race"]', 'all = ["bicycle"]')
    with pytest.raises(TopicFileError, match=r"bikes.toml:12: set 'race' is never used"):
        TopicSet.parse({"bikes.toml": text})


def test_all_faults_of_all_files_are_told_in_order() -> None:
    with pytest.raises(TopicFileError) as caught:
        TopicSet.parse(
            {
                "bikes.toml": GOOD.replace("level = 1", "level = 9").replace("0.6", "60"),
                "a.toml": "x = 1\n",
            }
        )
    places = [(fault.file, fault.line) for fault in caught.value.faults]
    assert places == sorted(places)
    assert {file for file, _ in places} == {"a.toml", "bikes.toml"}
    assert len(places) >= 4


def test_a_topic_in_two_files_is_a_fault() -> None:
    with pytest.raises(TopicFileError, match="must be the file's name"):
        TopicSet.parse({"bikes.toml": GOOD, "trams.toml": GOOD})


def test_the_good_file_is_good_and_its_examples_hold() -> None:
    topics = TopicSet.parse({"bikes.toml": GOOD})
    assert check_examples(topics) == ()
    tagging = Tagger(topics).tag("Bicycle race opens", "")
    assert [(t.topic, t.escalation, t.score) for t in tagging.topics] == [("bikes", 1, 1.1)]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("tagged = false", "tagged = true", 30, "example is not tagged bikes"),
        ("tagged = true", "tagged = false", 25, "example is tagged bikes"),
        ("escalation = 1", "escalation = 2", 25, "example has escalation 1, not 2"),
    ],
)
def test_an_example_that_fails_is_a_fault(old: str, new: str, line: int, message: str) -> None:
    (fault,) = check_examples(TopicSet.parse({"bikes.toml": GOOD.replace(old, new)}))
    assert fault.line == line
    assert message in fault.message


def test_shared_sets_may_be_named_by_every_topic() -> None:
    shared = 'schema = 1\n[[set]]\nname = "race"\nen = ["race"]\n'
    own = GOOD.replace('[[set]]\nname = "race"\nen = ["race"]\n', "")
    topics = TopicSet.parse({"_shared.toml": shared, "bikes.toml": own})
    assert Tagger(topics).tag("Bicycle race opens", "").topics


def test_a_folder_with_one_topic_uses_the_packaged_shared_files(tmp_path: Path) -> None:
    (tmp_path / "us-trade.toml").write_bytes((PACKAGED / "us-trade.toml").read_bytes())
    assert [topic.name for topic in load_topics(tmp_path).topics] == ["us-trade"]


def test_a_file_that_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bikes.toml").write_bytes(b'schema = 1\ntopic = "b\xff"\n')
    with pytest.raises(TopicFileError, match=r"bikes.toml:2: not UTF-8"):
        read_topic_files(tmp_path)


def test_a_folder_named_like_a_topic_file_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "bikes.toml").mkdir()
    with pytest.raises(TopicFileError, match=r"bikes.toml:1: is a folder"):
        read_topic_files(tmp_path)


def test_a_weight_out_of_bounds_is_one_fault_and_no_other_follows() -> None:
    text = 'topic = "bikes"\n[[set]]\nname = "a"\nweight = nan\nen = ["bicycle"]\n'
    with pytest.raises(TopicFileError) as caught:
        TopicSet.parse({"bikes.toml": text})
    assert [fault.line for fault in caught.value.faults] == [4]


def test_an_empty_folder_and_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(TopicFileError, match="no topic file here"):
        read_topic_files(tmp_path)
    with pytest.raises(Refused, match="no such folder"):
        read_topic_files(tmp_path / "none")


def test_the_folder_is_the_environments_else_the_packaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRAITWATCH_HOME", str(tmp_path))
    monkeypatch.delenv("STRAITWATCH_TOPICS", raising=False)
    assert topics_folder() == PACKAGED
    monkeypatch.setenv("STRAITWATCH_TOPICS", str(tmp_path))
    assert topics_folder() == tmp_path
    monkeypatch.setenv("STRAITWATCH_TOPICS", str(tmp_path / "none"))
    with pytest.raises(WrongUse, match="STRAITWATCH_TOPICS"):
        topics_folder()


def test_a_fourth_topic_is_one_more_file(tmp_path: Path) -> None:
    for path in PACKAGED.glob("*.toml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "bikes.toml").write_text(GOOD, encoding="utf-8")
    tagger = Tagger(load_topics(tmp_path))
    assert {t.topic for t in tagger.tag("Bicycle race opens", "").topics} == {"bikes"}
    assert {t.topic for t in tagger.tag("Trump tariffs rise", "").topics} == {"us-trade"}
