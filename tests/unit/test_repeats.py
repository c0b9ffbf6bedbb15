"""Which articles were there before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.repeats import DAYS_KEPT, KnownArticles, Repeat, days_left

KEY, OTHER = b"k" * 16, b"o" * 16


def known(day: int = 100) -> KnownArticles:
    articles = KnownArticles()
    articles.start_day(day)
    return articles


def test_the_first_sight_is_new_and_the_same_again_is_redelivered() -> None:
    articles = known()
    assert articles.judge(KEY, 0, 5, 100)[0] is Repeat.NEW
    assert articles.judge(OTHER, 0, 5, 100)[0] is Repeat.NEW
    assert articles.judge(KEY, 0, 5, 100)[0] is Repeat.REDELIVERED
    assert len(articles) == 2


def test_a_higher_revision_is_an_edit_and_anything_else_a_duplicate() -> None:
    articles = known()
    articles.judge(KEY, 1, 5, 100)
    assert articles.judge(KEY, 1, 6, 100)[0] is Repeat.DUPLICATE
    assert articles.judge(KEY, 0, 7, 100)[0] is Repeat.DUPLICATE
    assert articles.judge(KEY, 2, 8, 100)[0] is Repeat.EDITED
    # A sender that crashed sends its last records again, in their order.
    assert articles.judge(KEY, 1, 5, 100)[0] is Repeat.REDELIVERED
    assert articles.judge(KEY, 2, 8, 100)[0] is Repeat.REDELIVERED


def test_a_sight_before_1970_is_as_good_as_any() -> None:
    articles = known()
    articles.judge(KEY, 3, -5, 100)
    assert articles.judge(KEY, 3, -5, 100)[0] is Repeat.REDELIVERED
    assert articles.judge(KEY, 4, -6, 100)[0] is Repeat.EDITED


def test_an_article_is_known_for_three_whole_days_at_least() -> None:
    articles = known(100)
    articles.judge(KEY, 0, 5, 100)
    articles.start_day(103)
    assert articles.judge(KEY, 0, 5, 103)[0] is Repeat.REDELIVERED
    articles.start_day(104)
    assert len(articles) == 0
    assert articles.judge(KEY, 0, 5, 104)[0] is Repeat.NEW


def test_an_article_that_is_seen_again_stays_known() -> None:
    articles = known(100)
    articles.judge(KEY, 0, 5, 100)
    articles.start_day(103)
    articles.judge(KEY, 1, 6, 103)
    articles.start_day(105)
    assert articles.judge(KEY, 0, 5, 105)[0] is Repeat.REDELIVERED


def test_an_article_that_is_shown_without_end_takes_bounded_memory() -> None:
    articles = known()
    for n in range(1000):
        articles.judge(KEY, 0, n, 100)
    assert len(articles._find(KEY)[0]) == 64


def test_the_slots_to_clear_are_those_of_days_that_left_the_horizon() -> None:
    assert list(days_left(None, 100)) == list(range(DAYS_KEPT))
    assert list(days_left(100, 100)) == []
    assert list(days_left(100, 101)) == [101 % DAYS_KEPT]
    assert sorted(days_left(100, 103)) == sorted({101 % 4, 102 % 4, 103 % 4})
    assert sorted(days_left(100, 200)) == [0, 1, 2, 3]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([KEY, OTHER, b"x" * 16]),
            st.integers(0, 3),
            st.integers(-2, 2),
            st.integers(0, 1),
        )
    )
)
def test_what_is_rebuilt_from_the_log_judges_the_same(
    sights: list[tuple[bytes, int, int, int]],
) -> None:
    day, live, log = 100, known(), []
    for key, revision, seen, later in sights:
        if later:
            day += 1
            live.start_day(day)
        log.append((day, live.judge(key, revision, seen, day)[1]))
    rebuilt = KnownArticles()
    for then, packed in log:
        if then > day - DAYS_KEPT:
            rebuilt.start_day(then)
            rebuilt.remember(packed, then)
    rebuilt.start_day(day)
    for key in (KEY, OTHER, b"x" * 16):
        assert rebuilt._find(key) == live._find(key)
