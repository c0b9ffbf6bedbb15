"""Articles for the pipeline's benchmark: most of them neutral, some on the packaged topics.

An article costs the story step by what it shares with the others of three days. So those on topic
are put together as reports are: who, what and where from a few dozen phrases that many share, the
rest drawn from 6,000 made-up words a language, as unevenly common as a language's (Zipf).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from deploy.bench.tagging import make_articles

_VOCABULARY: Final = 6_000
_TITLE_WORDS: Final = 6
_SENTENCE_WORDS: Final = 14


@dataclass(frozen=True, slots=True)
class _Language:
    """How a language's reports are put together."""

    subjects: tuple[str, ...]
    """Each puts a text on one of the packaged topics."""
    actions: tuple[str, ...]
    places: tuple[str, ...]
    syllables: tuple[str, ...]
    """Of the made-up words."""
    space: str
    stop: str


_LATIN: Final = tuple(
    a + v + c for a in "bdfghklmnprstvw" for v in "aeiou" for c in ("", "n", "r", "s", "t")
)
_KANJI: Final = tuple(
    "港市長北南東西山川田中本大小高新会議員対交渉輸出入延期決定合意批判水木火土石路橋車船空海"
    "花草林森谷島村町城門庭室店学校病院薬米麦茶酒糸布紙筆墨音楽歌声光色白黒青赤黄春夏秋冬朝夜"
)
_HANZI: Final = tuple(
    "港市长北南东西山川田中本大小高新会议员对谈输出入延期决定合意批判水木火土石路桥车船空海"
    "花草林森谷岛村镇城门厅室店学校医院药米麦茶酒丝布纸笔墨音乐歌声光色白黑青红黄春夏秋冬晨夜"
)
_LANGUAGES: Final = (
    _Language(
        subjects=(
            "Chinese coast guard ships near the Senkaku Islands",
            "Beijing's export ban on Japanese seafood",
            "Taiwan's military drills in the Taiwan Strait",
            "PLA warplanes that crossed the median line off Taiwan",
            "new US tariffs on imports from Mexico",
            "the White House plan for tariffs on steel",
        ),
        actions=(
            "draw a protest",
            "worry shipping firms",
            "are discussed by ministers",
            "lead to new talks",
            "surprise observers",
            "are condemned by the opposition",
            "are played down by officials",
            "end without a result",
        ),
        places=(
            "in Tokyo",
            "in Geneva",
            "at the summit",
            "in parliament",
            "this week",
            "overnight",
        ),
        syllables=_LATIN,
        space=" ",
        stop=". ",
    ),
    _Language(
        subjects=(
            "尖閣諸島周辺の中国海警局の船",
            "中国による日本産水産物の輸入停止",
            "台湾軍の大規模な演習",
            "台湾海峡の中間線を越えた中国軍機",
            "トランプ政権の追加関税",
            "米国の鉄鋼への関税",
        ),
        actions=(
            "に抗議",
            "をめぐり協議",
            "に懸念広がる",
            "を批判",
            "に冷静な対応求める",
            "で会談へ",
        ),
        places=("東京で", "国会で", "週内にも", "首脳会談で", "一夜明け", "外相が"),
        syllables=(*_KANJI, *"のにをはがでとも"),
        space="",
        stop="。",
    ),
    _Language(
        subjects=(
            "中国海警船在钓鱼岛海域巡航",
            "中日关系因钓鱼岛海域摩擦紧张",
            "解放军军机越过台湾海峡中线",
            "台湾国防部说共机扰台",
            "美国宣布对进口钢铁加征关税",
            "美国对等关税措施",
        ),
        actions=("引发抗议", "受到关注", "成为会谈议题", "影响航运", "遭到批评", "令市场意外"),
        places=("本周", "在东京", "在日内瓦", "峰会期间", "连夜", "在议会"),
        syllables=_HANZI,
        space="",
        stop="。",
    ),
)
_WEIGHTS: Final = (2, 3, 1)
"""About the mix of the feeds: half Japanese, a third English."""


def make_texts(count: int, size: int, share: float, seed: int) -> Iterator[tuple[str, str]]:
    """Titles and summaries, ``size`` bytes in all; a ``share`` of them is on a topic."""
    dice = random.Random(seed)  # noqa: S311 - load, not a secret
    for text in make_articles(count, size, 0.0):
        yield _report(dice, size) if dice.random() < share else text


def _report(dice: random.Random, size: int) -> tuple[str, str]:
    number = dice.choices(range(len(_LANGUAGES)), _WEIGHTS)[0]
    language = _LANGUAGES[number]
    subject = dice.choice(language.subjects)

    def words(count: int) -> str:
        return language.space.join(dice.choices(*_words(number), k=count))

    def about() -> str:
        return language.space.join((subject, dice.choice(language.actions)))

    title = language.space.join((about(), dice.choice(language.places), words(_TITLE_WORDS)))
    body = about() + language.stop
    while len((title + body).encode()) < size:
        body += words(_SENTENCE_WORDS) + language.stop
    return title, body.encode()[: size - len(title.encode())].decode("utf-8", "ignore")


@cache
def _words(number: int) -> tuple[list[str], list[float]]:
    """The made-up words of a language, and how common each is."""
    dice = random.Random(number)  # noqa: S311 - load, not a secret
    syllables = _LANGUAGES[number].syllables
    words = ["".join(dice.choices(syllables, k=dice.randint(2, 3))) for _ in range(_VOCABULARY)]
    return words, [1 / (rank + 3) for rank in range(_VOCABULARY)]
