"""The shape of topic files: which keys there are, of which kind, and what a term may look like."""

from __future__ import annotations

import re
from typing import Any, Final

from pipeline.rules.tagging.topic_model import ALERTS_A_MONTH, LANGUAGES, MAX_WEIGHT
from pipeline.rules.text import fold_term, is_latin

SCHEMA: Final = 1
"""The form of topic files that this release reads."""
_CONDITION: Final[dict[str, type | tuple[type, ...]]] = {
    "all": list,
    "any": list,
    "none": list,
    "elsewhere": list,
    "nowhere": list,
    "title": bool,
    "within": int,
    "languages": list,
}
KEYS: Final[dict[str, dict[str, type | tuple[type, ...]]]] = {
    "": {
        "schema": int,
        "topic": str,
        "title": str,
        "threshold": (int, float),
        "alerts_a_month": (int, float),
        "set": list,
        "route": list,
        "escalation": list,
        "example": list,
        "mask": dict,
    },
    "set": {"name": str, "weight": (int, float), **dict.fromkeys(LANGUAGES, list)},
    "route": {"name": str, "weight": (int, float), **_CONDITION},
    "escalation": {"name": str, "level": int, "calms": bool, **_CONDITION},
    "example": {"text": str, "tagged": bool, "escalation": int},
    "mask": dict.fromkeys(LANGUAGES, list),
}
_LEAST, _MOST = ALERTS_A_MONTH
_BOUNDS: Final = {
    "threshold": (0.0, MAX_WEIGHT, f"above 0 and at most {MAX_WEIGHT:g}"),
    "alerts_a_month": (_LEAST - 1e-9, _MOST, f"from {_LEAST:g} to {_MOST:g}"),
}
"""Above, at most, and both in words."""
NEEDED: Final = {
    "set": ("name",),
    "route": ("name",),
    "escalation": ("name", "level"),
    "example": ("text", "tagged"),
}


def is_number(value: Any) -> bool:
    """Whether a TOML value is a number, truth values left out."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number_of(key: str, value: Any) -> tuple[float | None, str | None]:
    """A number of the file itself, and what is wrong with it; no number is told elsewhere."""
    if not is_number(value):
        return None, None
    low, high, bounds = _BOUNDS[key]
    # Said so that "not a number" is outside as well.
    if low < value <= high:
        return float(value), None
    return None, f"{key} must be {bounds}"


def kind_name(kind: type | tuple[type, ...]) -> str:
    """How a person calls the kind of a key."""
    names = {
        str: "text in quotes",
        list: "a list: [...]",
        bool: "true or false",
        int: "a whole number",
        dict: "a table",
    }
    return "a number" if isinstance(kind, tuple) else names[kind]


def sameness(term: str) -> str:
    """What makes two terms the same: the folded text, the open ends, only capitals or not."""
    bare = term.strip("*")
    return f"{term.startswith('*')}{fold_term(bare)}{term.endswith('*')}{bare.isupper()}"


def term_fault(value: Any) -> str | None:
    """What is wrong with a term, None when nothing is."""
    if not isinstance(value, str):
        return f"term {value!r} must be text in quotes"
    bare = value.strip("*")
    folded = fold_term(bare).strip()
    if not folded:
        return f"term '{value}' has no letter or digit; write a word"
    if "*" in bare:
        return f"term '{value}' has a * inside; it may stand only at an end"
    if bare != bare.strip():
        return (
            f"term '{value}' starts or ends with a space; remove it (word ends are found without)"
        )
    if len(folded) == 1 and is_latin(folded):
        return f"term '{value}' is a single letter; write a longer one"
    return None


def schema_fault(value: Any) -> str | None:
    """What is wrong with a file's ``schema``, None when nothing is; a file may leave it out."""
    if value is None or not isinstance(value, int) or isinstance(value, bool) or value == SCHEMA:
        return None
    return f"schema must be {SCHEMA}, the only one there is; write schema = {SCHEMA}"


def toml_fault(error: ValueError | RecursionError, text: str) -> tuple[int, str]:
    """Line and message of a fault that the TOML reader found."""
    message = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    found = re.search(r"at line (\d+)", message)
    line = int(found.group(1)) if found else text.rstrip().count("\n") + 1
    what = re.sub(r"\s*\(at .*\)$", "", message)
    return line, f"not TOML: {what[:1].lower()}{what[1:]}; mend the line (quotes, brackets, commas)"
