"""Tags an article with its topics: the one entry that the pipeline, `tag` and `explain` share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Final

from pipeline.contracts.records import Lang, TopicTag
from pipeline.rules.tagging.evaluate import (
    BODY_FACTOR,
    LEAD_CHARS,
    LEAD_CHARS_HAN,
    LEAD_FACTOR,
    TITLE_FACTOR,
    TopicRules,
    Unit,
    Verdict,
)
from pipeline.rules.tagging.language import LanguageDetector, ScriptDetector
from pipeline.rules.tagging.matcher import Hit, Matcher
from pipeline.rules.tagging.topic_file import TopicSet
from pipeline.rules.tagging.topic_model import Fault, Term
from pipeline.rules.text import Text, read, sentences

MAX_TERMS: Final = 12
"""Terms that a tag carries: enough for a person to see why."""

MEMORY: Final = 4096
"""Combinations of sets whose candidates are kept: most articles have one of a few hundred."""


_START: Final = attrgetter("start")


class Tagging:
    """An article's topics, and its language, worked out when it is asked for."""

    __slots__ = ("_detect", "_lang", "topics")

    def __init__(
        self,
        topics: tuple[TopicTag, ...],
        lang: Lang | None,
        detect: tuple[LanguageDetector, str, str | None] | None = None,
    ) -> None:
        self.topics = topics
        self._lang = lang
        self._detect = detect

    @property
    def lang(self) -> Lang:
        """The language of the text."""
        if self._lang is None:
            self._lang = Lang.OTHER
            if self._detect is not None:
                detector, text, hint = self._detect
                self._lang = detector.detect(text, hint)
        return self._lang

    def __repr__(self) -> str:
        return f"Tagging(lang={self.lang!s}, topics={self.topics!r})"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text got its tags: the verdict of every topic of which something was found."""

    lang: Lang
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The topics, ready to be asked."""

    matcher: Matcher
    rules: tuple[TopicRules, ...]
    candidates: Callable[[int], tuple[TopicRules, ...]]
    """The topics that these sets could make."""


class Tagger:
    """Tags texts by the rules of topic files.

    It pickles as the files' texts and is built again where it is first used.
    """

    def __init__(self, topics: TopicSet, detector: LanguageDetector | None = None) -> None:
        self.topics = topics
        self.rules_version = topics.version
        self._detector = detector or ScriptDetector()
        self._compiled: _Compiled | None = None

    def tag(self, title: str, summary: str, lang_hint: str | None = None) -> Tagging:
        """The topics of an article and its language.

        Args:
            title: the headline; enough by itself.
            summary: plain text, "" when there is none.
            lang_hint: what the feed says its language is; used only where the text leaves it open.
        """
        compiled = self._rules()
        text = read(title, summary)
        candidates = compiled.candidates(compiled.matcher.screen(text.folded))
        if not candidates:
            return Tagging((), None, (self._detector, text.original, lang_hint))
        lang, verdicts = self._judge(text, candidates, lang_hint)
        tags = tuple(
            TopicTag(v.topic, v.score, v.escalation, v.terms[:MAX_TERMS])
            for v in verdicts
            if v.tagged
        )
        return Tagging(tags, lang)

    def explain(self, title: str, summary: str = "", lang_hint: str | None = None) -> Explanation:
        """What counted for and against each topic of which anything was found."""
        rules = self._rules().rules
        lang, verdicts = self._judge(read(title, summary), rules, lang_hint)
        return Explanation(lang, tuple(v for v in verdicts if v.reasons))

    def _judge(
        self, text: Text, candidates: tuple[TopicRules, ...], lang_hint: str | None
    ) -> tuple[Lang, list[Verdict]]:
        matcher = self._rules().matcher
        lang = self._detector.detect(text.original, lang_hint)
        hits = matcher.hits(text, lang)
        units = _units(text, hits, lang)
        present = 0
        for hit in hits:
            present |= hit.sets
        return lang, [topic.judge(units, present, lang) for topic in candidates]

    def _rules(self) -> _Compiled:
        if self._compiled is None:
            self._compiled = _compile(self.topics)
        return self._compiled

    def __reduce__(self) -> tuple[type[Tagger], tuple[TopicSet, LanguageDetector]]:
        return Tagger, (self.topics, self._detector)


def check_examples(topics: TopicSet) -> tuple[Fault, ...]:
    """The examples of the files that the files' own rules get wrong."""
    tagger = Tagger(topics)
    faults: list[Fault] = []
    for topic in topics.topics:
        for example in topic.examples:
            title, _, summary = example.text.strip().partition("\n")
            tags = {tag.topic: tag for tag in tagger.tag(title, summary).topics}
            tag = tags.get(topic.name)
            short = title if len(title) <= 40 else title[:39] + "…"
            hint = f'try: straitwatch topics explain "{short}"'
            if (tag is not None) != example.tagged:
                is_so = "is not" if tag is None else "is"
                faults.append(
                    Fault(
                        example.file, example.line, f"example {is_so} tagged {topic.name}: {hint}"
                    )
                )
            elif tag is not None and example.escalation not in (None, tag.escalation):
                faults.append(
                    Fault(
                        example.file,
                        example.line,
                        f"example has escalation {tag.escalation}, "
                        f"not {example.escalation}: {hint}",
                    )
                )
    return tuple(faults)


def _compile(topics: TopicSet) -> _Compiled:
    bits: dict[tuple[str, str], int] = {}
    terms: list[tuple[Term, ...]] = []
    for owner, sets in [("", topics.shared)] + [(t.name, t.sets) for t in topics.topics]:
        for term_set in sets:
            bits[owner, term_set.name] = 1 << len(terms)
            terms.append(term_set.terms)
    shared = {name: bit for (owner, name), bit in bits.items() if not owner}
    everybodys = sum(shared.values())
    rules = tuple(
        TopicRules(
            topic,
            shared | {name: bit for (owner, name), bit in bits.items() if owner == topic.name},
            everybodys,
        )
        for topic in topics.topics
    )
    leading = 0
    for topic_rules in rules:
        leading |= topic_rules.leading

    @lru_cache(maxsize=MEMORY)
    def candidates(present: int) -> tuple[TopicRules, ...]:
        return tuple(topic for topic in rules if topic.possible(present))

    return _Compiled(Matcher(terms, topics.masks, leading), rules, candidates)


def _units(text: Text, hits: list[Hit], lang: Lang) -> list[Unit]:
    """The sentences with their hits; a hit is in the sentence where it starts."""
    lead = LEAD_CHARS if lang in (Lang.EN, Lang.OTHER) else LEAD_CHARS_HAN
    units: list[Unit] = []
    hits = sorted(hits, key=_START)
    at = 0
    for number, (start, end) in enumerate(sentences(text)):
        here: list[Hit] = []
        sets = 0
        while at < len(hits) and hits[at].start < end:
            here.append(hits[at])
            sets |= hits[at].sets
            at += 1
        if number == 0:
            factor = TITLE_FACTOR
        else:
            factor = LEAD_FACTOR if start - text.title_end < lead else BODY_FACTOR
        if here or number == 0:
            units.append(Unit(factor, sets, tuple(here)))
    return units
