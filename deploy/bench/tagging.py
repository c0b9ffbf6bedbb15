"""How fast articles are tagged on one core, and how fast plain regular expressions would be.

The load is made of neutral words and invented sentences in four languages: a share of the articles
has on-topic sentences. The other way is what most monitors do: the same terms as one compiled
alternation a topic, searched through every article, with no language, scope or escalation.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Final

from pipeline.rules.tagging.tagger import Tagger
from pipeline.rules.tagging.topic_file import TopicSet
from pipeline.rules.tagging.topic_model import Term, TermSet

_NEUTRAL: Final = {
    "en": (
        "the council opened a new library near the river on Monday and visitors praised its garden",
        "farmers expect a good harvest after the mild spring while prices of seed stay the same",
        "the orchestra will tour five cities in autumn with music that was lost for a century",
        "a Chinese restaurant and a Japanese bakery share a kitchen in Washington",
        "engineers tested the bridge for three nights and found nothing that needs repair",
    ),
    "ja": (
        "市の図書館が月曜に開館し、庭園を訪れた人々が季節の花を楽しんだ。",
        "農家は穏やかな春のあとの豊作を期待しており、種子の値段は変わらない。",
        "中国料理店と日本の和菓子店が東京の商店街で並んで営業している。",
        "楽団は秋に五つの街を巡り、百年ぶりに見つかった曲を披露する。",
    ),
    "zh": (
        "市立图书馆周一开放，居民在花园里散步，孩子们在阅览室听故事。",
        "農民期待溫和春天之後的豐收，種子的價格沒有變化。",
        "中国餐馆和日本面包店在同一条街上营业，游客也从台湾来。",
        "乐团秋天将巡演五个城市，带来失传百年的乐曲。",
    ),
}
_ON_TOPIC: Final = {
    "en": (
        "Tokyo lodged a protest with Beijing over coast guard ships near the Senkaku Islands.",
        "Taiwan's military began drills after warplanes crossed the median line.",
        "The White House imposed new tariffs on imported bicycles.",
    ),
    "ja": (
        "中国外務省は日本の防衛白書に反発した。",
        "台湾軍は大規模な演習を始めた。",
        "米政権は自転車に追加関税を課すと発表した。",
    ),
    "zh": (
        "外交部就日方言论提出严正交涉，中日关系紧张。",
        "國防部說共機越過海峽中線，漢光演習照常舉行。",
        "美国宣布对进口自行车加征关税。",
    ),
}
_LANGUAGES: Final = ("en", "en", "ja", "ja", "ja", "zh")
"""About the mix of the feeds: half Japanese, a third English."""
_LOADS: Final = (
    ("2 % on topic", 0.02, 1_000),
    ("2 % on topic", 0.02, 1_600),
    ("2 % on topic", 0.02, 4_000),
    ("all on topic", 1.0, 1_600),
)
MANY: Final = 50
_MADE_UP_TERMS: Final = 12
"""Of each set of a made-up topic: about 200 a topic."""
_ROUNDS: Final = 3
_ROUND_SECONDS: Final = 0.4


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table; articles a second on one core."""

    load: str
    bytes: int
    topics: int
    tagger: float
    regex: float

    @property
    def us(self) -> float:
        """Microseconds an article takes the tagger."""
        return 1e6 / self.tagger


def run(topics: TopicSet, articles: int = 2000) -> list[Result]:
    """The whole table, measured with the processor time of this process.

    Args:
        topics: the topic files; for 50 topics they are copied with made-up terms.
        articles: in each measurement.
    """
    one = TopicSet(topics.topics[:1], topics.shared, topics.masks, ())
    contenders = [
        (len(chosen.topics), Tagger(chosen).tag, _search_all(_patterns(chosen)))
        for chosen in (one, topics, _many(topics, MANY))
    ]
    rows: list[Result] = []
    for load, share, size in _LOADS:
        texts = list(make_articles(articles, size, share))
        rows += [
            Result(load, size, count, _rate(tag, texts), _rate(search, texts, rounds=1))
            for count, tag, search in contenders
        ]
    return rows


def make_articles(count: int, size: int, share: float) -> Iterable[tuple[str, str]]:
    """Titles and summaries, ``size`` bytes in all; a ``share`` of them has an on-topic sentence."""
    dice = random.Random(7)  # noqa: S311 - load, not a secret
    for _ in range(count):
        language = dice.choice(_LANGUAGES)
        neutral, on_topic = _NEUTRAL[language], _ON_TOPIC[language]
        sentence = dice.choice(on_topic) if dice.random() < share else dice.choice(neutral)
        title, body = sentence.rstrip("。."), sentence
        while len((title + body).encode()) < size:
            body += " " + dice.choice(neutral)
        yield title, body.encode()[: size - len(title.encode())].decode("utf-8", "ignore")


def as_records(rows: Iterable[Result]) -> list[dict[str, object]]:
    """The rows for JSON."""
    return [{**asdict(row), "us": round(row.us, 1)} for row in rows]


def _rate(
    work: Callable[[str, str], object], texts: list[tuple[str, str]], rounds: int = _ROUNDS
) -> float:
    """Articles a second, the best of some rounds: the others met other work of the machine."""
    work(*texts[0])
    best = 0.0
    for _ in range(rounds):
        done, start = 0, time.process_time()
        for title, summary in texts:
            work(title, summary)
            done += 1
            # Fifty alternations take a tenth of a second an article: some articles must do.
            if done % 8 == 0 and time.process_time() - start > _ROUND_SECONDS:
                break
        best = max(best, done / (time.process_time() - start))
    return best


def _search_all(patterns: list[re.Pattern[str]]) -> Callable[[str, str], object]:
    def search(title: str, summary: str) -> object:
        text = f"{title}\n{summary}".lower()
        return [pattern.findall(text) for pattern in patterns]

    return search


def _patterns(topics: TopicSet) -> list[re.Pattern[str]]:
    """One alternation a topic, of the terms of its own sets and of the shared ones it names.

    For text in lower case, which is faster than to ignore case.
    """
    out = []
    for topic in topics.topics:
        named = {name for route in topic.routes for name in route.when.all + route.when.any}
        sets = topic.sets + tuple(s for s in topics.shared if s.name in named)
        terms = [term for term_set in sets for term in term_set.terms]
        words = sorted({_expression(term) for term in terms}, key=len, reverse=True)
        out.append(re.compile("|".join(words)))
    return out


def _expression(term: Term) -> str:
    bare = re.escape(term.text.strip("*").lower())
    if not term.text.strip("*").isascii():
        return bare
    return rf"\b{bare}" + ("" if term.text.endswith("*") else r"\b")


def _many(topics: TopicSet, count: int) -> TopicSet:
    """``count`` topics: the given ones, and copies with made-up terms of the same shape."""
    dice = random.Random(11)  # noqa: S311 - load, not a secret
    out = list(topics.topics)
    while len(out) < count:
        model = topics.topics[len(out) % len(topics.topics)]
        sets = tuple(
            TermSet(s.name, tuple(_made_up(t, dice) for t in s.terms[:_MADE_UP_TERMS]), s.weight)
            for s in model.sets
        )
        out.append(
            type(model)(
                f"{model.name}-{len(out)}",
                model.title,
                model.threshold,
                sets,
                model.routes,
                model.escalations,
                (),
            )
        )
    return TopicSet(tuple(out), topics.shared, topics.masks, ())


def _made_up(term: Term, dice: random.Random) -> Term:
    if term.text.strip("*").isascii():
        return Term("".join(dice.choices("bcdfgklmnprstvz", k=8)), term.language)
    return Term("".join(chr(dice.randrange(0x4E00, 0x9FA0)) for _ in term.text), term.language)
