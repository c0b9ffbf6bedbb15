"""Topic files: what an analyst writes, read and checked; every fault names file, line and mend.

A file is TOML. ``[[set]]`` names terms by language, ``[[route]]`` says which sets must meet for
the topic, ``[[escalation]]`` which make it serious, ``[mask]`` which longer words must not be read
as the terms inside them, ``[[example]]`` what must and must not be tagged. Sets and masks of files
whose name starts with ``_`` may be used by every topic.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.rules.tagging.lines import Lines
from pipeline.rules.tagging.topic_model import (
    LANGUAGES,
    LEVELS,
    MAX_WEIGHT,
    Condition,
    Escalation,
    Example,
    Fault,
    Route,
    Term,
    TermSet,
    Topic,
    TopicFileError,
)
from pipeline.rules.tagging.topic_shape import (
    KEYS,
    NEEDED,
    is_number,
    kind_name,
    number_of,
    sameness,
    schema_fault,
    term_fault,
    toml_fault,
)

__all__ = ["TopicFileError", "TopicSet"]

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class TopicSet:
    """The topics of a folder, with what they share."""

    topics: tuple[Topic, ...]
    shared: tuple[TermSet, ...]
    masks: tuple[Term, ...]
    texts: tuple[tuple[str, str], ...]
    """The files as read: what is shipped to workers."""

    @staticmethod
    def parse(files: Mapping[str, str]) -> TopicSet:
        """The topics of ``files`` (file name -> text).

        Raises:
            TopicFileError: at least one file is wrong; all faults of all files are in it.
        """
        return _Reader(files).topic_set()

    @property
    def version(self) -> str:
        """Twelve hex digits of what the files mean: layout and comments do not change it."""
        meaning = (sorted(self.topics, key=lambda topic: topic.name), self.shared, self.masks)
        return hashlib.sha256(_bare(repr(meaning)).encode()).hexdigest()[:12]

    def __reduce__(self) -> tuple[Any, tuple[dict[str, str]]]:
        return TopicSet.parse, (dict(self.texts),)


def _bare(meaning: str) -> str:
    # An example's place in its file is not its meaning.
    return re.sub(r"Example\(.*?line=\d+\)", "", meaning)


class _Reader:
    """Reads all files, gathering faults rather than stopping at the first."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.faults: list[Fault] = []
        self.shared: list[TermSet] = []
        self.masks: list[Term] = []

    def topic_set(self) -> TopicSet:
        """All files, or `TopicFileError`."""
        names = sorted(self.files, key=lambda name: (not name.startswith("_"), name))
        topics: dict[str, Topic] = {}
        for name in names:
            reader = _FileReader(self, name, self.files[name])
            if not reader.loaded:
                continue
            if name.startswith("_"):
                self.shared += reader.sets()
                self.masks += reader.masks()
                continue
            topic = reader.topic()
            if topic.name in topics:
                message = f"topic '{topic.name}' is in another file too; rename one"
                reader.fault("topic", None, message)
            topics.setdefault(topic.name, topic)
        if not topics and not self.faults:
            first = names[0] if names else "."
            message = "no topic file; add one with a [[set]] and a [[route]]"
            self.faults.append(Fault(first, 1, message))
        if self.faults:
            raise TopicFileError(sorted(self.faults, key=lambda f: (f.file, f.line)))
        return TopicSet(
            topics=tuple(topics.values()),
            shared=tuple(self.shared),
            masks=tuple(self.masks),
            texts=tuple(sorted(self.files.items())),
        )


class _FileReader:
    """One file."""

    def __init__(self, owner: _Reader, name: str, text: str) -> None:
        self.owner = owner
        self.name = name
        self.lines = Lines(text)
        self.data: dict[str, Any] = {}
        self.loaded = True
        try:
            self.data = tomllib.loads(text)
        except (ValueError, RecursionError) as e:
            # Beside TOML's own faults: a number of too many digits, arrays nested a thousand deep.
            self.loaded = False
            self.owner.faults.append(Fault(name, *toml_fault(e, text)))
            return
        self._shape("", self.data, ())
        if message := schema_fault(self.data.get("schema")):
            self.fault("schema", None, message)

    def fault(
        self, table: str, index: int | None, message: str, literal: str | None = None
    ) -> None:
        """Note what is wrong in the ``index``-th table of that name (None: a key of the file)."""
        line = self.lines.find(table, index, literal)
        self.owner.faults.append(Fault(self.name, line, message))

    def topic(self) -> Topic:
        """The topic, as far as it can be read."""
        sets = self.sets()
        self.owner.masks += self.masks()
        known = {s.name for s in sets} | {s.name for s in self.owner.shared}
        name = self._topic_name()
        routes = tuple(
            Route(
                str(t.get("name", "")),
                self._weight("route", i, t, 1.0),
                self._condition("route", i, t, known),
            )
            for i, t in self._tables("route")
        )
        escalations = tuple(
            Escalation(
                str(t.get("name", "")),
                self._level("escalation", i, t.get("level")),
                t.get("calms") is True,
                self._condition("escalation", i, t, known),
            )
            for i, t in self._tables("escalation")
        )
        if not any(s.weight > 0 for s in sets) and not any(r.weight > 0 for r in routes):
            self.fault(
                "topic",
                None,
                "nothing leads to this topic; give a [[set]] a weight or add a [[route]]",
            )
        self._unused(sets, routes, escalations)
        return Topic(
            name=name,
            title=str(self.data.get("title", name)),
            threshold=self._number("threshold") or 1.0,
            sets=sets,
            routes=routes,
            escalations=escalations,
            examples=self._examples(),
            alerts_a_month=self._number("alerts_a_month"),
        )

    def sets(self) -> tuple[TermSet, ...]:
        """The ``[[set]]`` tables."""
        found: dict[str, TermSet] = {}
        shared = {s.name for s in self.owner.shared}
        for index, table in self._tables("set"):
            name = str(table.get("name", ""))
            if name in found or name in shared:
                self.fault(
                    "set", index, f"set '{name}' is there twice; merge them or rename one", name
                )
            elif name and not _NAME.fullmatch(name):
                self.fault(
                    "set", index, f"set name '{name}' must be lower-case words joined by '-'", name
                )
            terms = self._terms("set", index, table)
            if not terms:
                self.fault(
                    "set", index, f"set '{name}' has no term; add one under {', '.join(LANGUAGES)}"
                )
            found.setdefault(name, TermSet(name, terms, self._weight("set", index, table, 0.0)))
        return tuple(found.values())

    def masks(self) -> tuple[Term, ...]:
        """The ``[mask]`` table."""
        table = self.data.get("mask")
        return self._terms("mask", 0, table) if isinstance(table, dict) else ()

    def _number(self, key: str) -> float | None:
        value, message = number_of(key, self.data.get(key))
        if message:
            self.fault(key, None, message)
        return value

    def _topic_name(self) -> str:
        name = self.data.get("topic")
        stem = self.name.removesuffix(".toml")
        if name is None:
            self.fault("topic", None, f'no topic; add the line: topic = "{stem}"')
        elif isinstance(name, str):
            if not _NAME.fullmatch(name):
                self.fault("topic", None, f"topic '{name}' must be lower-case words joined by '-'")
            elif name != stem:
                self.fault(
                    "topic",
                    None,
                    f"topic '{name}' must be the file's name; write \"{stem}\" or rename the file",
                )
        return name if isinstance(name, str) else stem

    def _shape(self, table: str, data: Mapping[str, Any], at: tuple[int, ...]) -> None:
        """Unknown keys, wrong types and missing keys of a table and those in it."""
        keys = KEYS[table]
        index = at[0] if at else None
        for key, value in data.items():
            where = (table, index, key) if table else (key, None, None)
            if key not in keys:
                near = difflib.get_close_matches(key, keys, 1)
                mend = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(keys)}"
                self.fault(*where[:2], f"unknown key '{key}'; {mend}", where[2])
                continue
            kind = keys[key]
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                self.fault(*where[:2], f"'{key}' must be {kind_name(kind)}", where[2])
            elif key in KEYS and key != "" and not table:
                self._nested(key, value)
        for key in NEEDED.get(table, ()):
            if key not in data:
                self.fault(table, index, f"[[{table}]] without '{key}'; add it")

    def _nested(self, key: str, value: Any) -> None:
        if isinstance(value, dict):
            self._shape(key, value, (0,))
            return
        for index, item in enumerate(value):
            if isinstance(item, dict):
                self._shape(key, item, (index,))
            else:
                self.fault(key, None, f"'{key}' must be tables: start each with [[{key}]]")

    def _tables(self, key: str) -> list[tuple[int, Mapping[str, Any]]]:
        value = self.data.get(key, [])
        if not isinstance(value, list):
            return []
        return [(i, t) for i, t in enumerate(value) if isinstance(t, dict)]

    def _terms(self, table: str, index: int, data: Mapping[str, Any]) -> tuple[Term, ...]:
        terms: list[Term] = []
        seen: set[tuple[str, str]] = set()
        for language in LANGUAGES:
            values = data.get(language, [])
            if not isinstance(values, list):
                continue
            for value in values:
                message = term_fault(value)
                literal = value if isinstance(value, str) and value else language
                if message:
                    self.fault(table, index, message, literal)
                    continue
                key = (language, sameness(value))
                if key in seen:
                    self.fault(
                        table,
                        index,
                        f"term '{value}' is there twice; remove one "
                        "(scripts, case and width are folded)",
                        literal,
                    )
                seen.add(key)
                terms.append(Term(value, language))
        return tuple(terms)

    def _weight(self, table: str, index: int, data: Mapping[str, Any], default: float) -> float:
        value = data.get("weight", default)
        if not is_number(value):
            return default
        # Said so that "not a number" is outside as well.
        if not abs(value) <= MAX_WEIGHT or ("weight" in data and value == 0):
            self.fault(
                table,
                index,
                f"weight must not be 0, and between -{MAX_WEIGHT:g} and {MAX_WEIGHT:g}",
                "weight",
            )
            return MAX_WEIGHT  # in force for the other checks: one mistake, one fault
        return float(value)

    def _level(self, table: str, index: int, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            return 0
        key = "level" if table == "escalation" else "escalation"
        if value not in LEVELS:
            self.fault(
                table,
                index,
                f"{key} must be 0 (none), 1 (friction), 2 (coercion) or 3 (force)",
                key,
            )
            return 0
        return value

    def _condition(
        self, table: str, index: int, data: Mapping[str, Any], known: set[str]
    ) -> Condition:
        lists: dict[str, tuple[str, ...]] = {}
        for key in ("all", "any", "none", "elsewhere", "nowhere"):
            # A name that is no text (a list, a table) is a set that does not exist.
            raw = data.get(key, [])
            names = [str(n) for n in raw] if isinstance(raw, list) else []
            for name in names:
                if name not in known:
                    near = difflib.get_close_matches(name, known, 1)
                    mend = f"did you mean '{near[0]}'?" if near else "add a [[set]] of that name"
                    self.fault(table, index, f"no set '{name}'; {mend}", name)
            lists[key] = tuple(n for n in names if n in known)
        if not data.get("all") and not data.get("any"):
            what = f"[[{table}]] '{data.get('name', '')}' names no set"
            self.fault(table, index, f"{what}; add all = [...] or any = [...]")
        within = data.get("within")
        if isinstance(within, int) and not 0 < within <= 1000:
            self.fault(
                table, index, "within must be a number of characters from 1 to 1000", "within"
            )
        languages = data.get("languages", [])
        for language in languages if isinstance(languages, list) else []:
            if language not in LANGUAGES[1:]:
                self.fault(
                    table,
                    index,
                    f"no language '{language}'; use {', '.join(LANGUAGES[1:])}",
                    str(language),
                )
        return Condition(
            **lists,
            title=data.get("title") is True,
            within=within if isinstance(within, int) else None,
            languages=tuple(map(str, languages)) if isinstance(languages, list) else (),
        )

    def _examples(self) -> tuple[Example, ...]:
        out: list[Example] = []
        for index, table in self._tables("example"):
            text, tagged, level = table.get("text"), table.get("tagged"), table.get("escalation")
            if isinstance(text, str) and not text.strip():
                self.fault("example", index, "the example's text is empty; write one", "text")
            checked = None if level is None else self._level("example", index, level)
            if isinstance(text, str) and isinstance(tagged, bool):
                out.append(
                    Example(
                        text, tagged, checked, self.name, self.lines.find("example", index, None)
                    )
                )
        return tuple(out)

    def _unused(
        self, sets: Iterable[TermSet], routes: Iterable[Route], escalations: Iterable[Escalation]
    ) -> None:
        used: set[str] = set()
        for when in [r.when for r in routes] + [e.when for e in escalations]:
            used.update(when.all, when.any, when.none, when.elsewhere, when.nowhere)
        for index, table in self._tables("set"):
            name = str(table.get("name"))
            if name not in used and not table.get("weight") and any(s.name == name for s in sets):
                self.fault(
                    "set",
                    index,
                    f"set '{name}' is never used; give it a weight or name it in a [[route]]",
                    name,
                )
