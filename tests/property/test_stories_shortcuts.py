"""What makes comparing quick never changes an answer, and what bounds it still finds a copy."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.contracts.records import Lang
from pipeline.rules.stories import candidates as stories_candidates
from pipeline.rules.stories.candidates import Candidates
from pipeline.rules.stories.grams import grams_of, most_shared
from pipeline.rules.stories.normalise import Text, normalise
from pipeline.rules.stories.similarity import LIMITS, Probe, is_apart, overlap

# Few letters share many grams, many letters few: both sides of every limit.
letters = st.text("abcde", max_size=200) | st.text(max_size=200)


@example("".join(map("{:03}".format, range(400))), "", 3)
@given(letters, letters, st.sampled_from([2, 3]))
def test_a_mask_never_says_that_less_is_shared_than_is(a: str, b: str, width: int) -> None:
    # Much in common, for only what is shared can be missed.
    x, y = grams_of(a, width), grams_of(a + b, width)
    shared = len(set(x.all) & set(y.all))
    assert shared <= most_shared(x, y) <= min(len(x), len(y))
    assert len(x.all) == len(set(x.all)) == len(x)


@given(letters, letters, letters, letters, st.sampled_from([Lang.EN, Lang.JA]))
def test_what_is_called_far_is_apart(a: str, b: str, x: str, y: str, lang: Lang) -> None:
    one, other = normalise(a, x, lang), normalise(b, y, lang)
    if Probe(one).is_far(other, LIMITS):
        assert is_apart(overlap(one, other), LIMITS)


@settings(deadline=None)
@given(st.lists(st.text("港倉庫検査亀裂補修", min_size=1, max_size=12), max_size=30), st.data())
def test_forgotten_texts_are_no_candidates_and_leave_nothing(
    titles: list[str], data: st.DataObject
) -> None:
    texts = [normalise(title, "", Lang.JA) for title in titles]
    index = Candidates()
    for slot, text in enumerate(texts):
        index.add(slot, text)
    left = set(range(len(texts)))
    for slot in data.draw(st.permutations(range(len(texts)))):
        index.remove(slot, texts[slot])
        left.discard(slot)
        assert set(index.of(texts[slot])) <= left
    assert index.is_empty()


def shuffled(n: int) -> Text:
    """One of 46,656 headlines of the same six words."""
    words = ["harbour", "closed", "pier", "mayor", "steel", "crane"]
    return normalise(" ".join(words[n // 6**k % 6] for k in range(6)), "", Lang.EN)


def test_a_copy_is_found_among_thousands_of_the_same_words() -> None:
    index = Candidates()
    texts = [shuffled(n * 11) for n in range(4000)]
    for slot, text in enumerate(texts):
        index.add(slot, text)
    postings = stories_candidates._rarest(index._titles, texts[-10].grams)
    assert sum(map(len, postings)) > stories_candidates._READ, "the flood reaches no bound"
    read = stories_candidates._within(postings)
    assert sum(map(len, read)) <= stories_candidates._READ
    assert min(map(len, read)) > 0
    found = index.of(texts[-10])
    assert len(found) <= stories_candidates._CANDIDATES
    assert len(texts) - 10 in found
