"""How long a part waits before it is started again."""

from __future__ import annotations

import random

from deploy.local.supervise.backoff import Backoff


def test_backoff_grows_to_its_limit_and_forgets_after_a_long_run() -> None:
    backoff = Backoff(first_s=1, limit_s=8, calm_s=60, dice=random.Random(1))

    waits = [backoff.after(ran_s=0) for _ in range(6)]
    backoff.after(ran_s=61)
    again = backoff.after(ran_s=0)

    assert all(0.75 * w <= x <= 1.25 * w for w, x in zip([1, 2, 4, 8, 8, 8], waits, strict=True))
    assert 1.5 <= again <= 2.5


def test_a_part_that_worked_for_a_while_is_back_at_once_however_often_it_was_killed() -> None:
    backoff = Backoff(first_s=1, limit_s=8, calm_s=60, dice=random.Random(1))

    waits = [backoff.after(ran_s=20) for _ in range(6)]

    assert waits == [0] * 6


def test_a_part_that_fails_all_night_is_still_tried_in_the_morning() -> None:
    backoff = Backoff()

    waits = [backoff.after(ran_s=0) for _ in range(3_000)]

    assert 22.5 <= waits[-1] <= 37.5
