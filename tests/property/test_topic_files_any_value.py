"""Whatever stands at a key of a topic file: it is read, or its faults have a place."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.rules.tagging.topic_file import TopicFileError, TopicSet
from pipeline.rules.tagging.topic_shape import KEYS

HEADS = {
    "": "",
    "mask": "[mask]\n",
    **{table: f"[[{table}]]\n" for table in ("set", "route", "escalation", "example")},
}
PLACES = st.sampled_from([(table, key) for table, keys in KEYS.items() for key in keys])


def written(value: object) -> str:
    """A value as TOML writes it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(f"\\U{ord(char):08x}" for char in value) + '"'
        case date():
            return value.isoformat()
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{written(k)} = {written(v)}" for k, v in value.items()) + "}"
        case _:
            return str(value)


TEXTS = st.one_of(
    st.sampled_from(["a", "b", "ja", "topic", "*", ""]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.just(10**400), st.floats(), st.dates(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@settings(deadline=None)
@given(PLACES, VALUES)
def test_any_value_at_any_key_is_read_or_told_with_its_line(
    place: tuple[str, str], value: object
) -> None:
    table, key = place
    text = f"{HEADS[table]}{key} = {written(value)}\n"
    try:
        TopicSet.parse({"topic.toml": text, "_shared.toml": text})
    except TopicFileError as e:
        faults = e.faults
    else:
        return
    assert faults
    for fault in faults:
        assert fault.file in {"topic.toml", "_shared.toml", "."}
        assert 1 <= fault.line <= text.count("\n") + 1
        assert fault.message
