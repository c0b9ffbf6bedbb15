"""The rounds of `bench chaos`, and what breaks a promise."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.bench import faults
from deploy.bench.faults import CHECKPOINT, PAIR, FaultReport, Kill
from deploy.ledger import LedgerView


def test_a_pair_is_two_parts_and_the_supervisor_only_the_second() -> None:
    dice = random.Random(7)
    pairs = {faults._parts_of(PAIR, dice) for _ in range(500)}

    assert all(len(set(pair)) == 2 for pair in pairs)
    assert {pair[1] for pair in pairs} == set(faults.PARTS)
    assert {pair[0] for pair in pairs} == set(faults.PARTS) - {"supervisor"}


def test_a_checkpoint_that_is_being_written_has_a_folder_and_is_not_whole(tmp_path: Path) -> None:
    class Clock:
        seconds = 0.0

        def monotonic(self) -> float:
            return self.seconds

        def sleep(self, seconds: float) -> None:
            self.seconds += seconds
            if self.seconds > 1:
                (tmp_path / "job" / "chk-2").mkdir(exist_ok=True)

    whole = tmp_path / "job" / "chk-1"
    whole.mkdir(parents=True)
    (whole / "_metadata").touch()
    clock: Any = Clock()
    nobody: Any = None

    assert faults._wait_for_half_a_checkpoint(faults._Stage(nobody, nobody, clock, tmp_path))
    assert clock.seconds == pytest.approx(1, abs=0.1)


GOOD = FaultReport(
    kills=(Kill(1, ("feeds",), 5.0, 8.0, 0), Kill(2, ("kafka", "desk"), 5.0, 20.0, 0)),
    published=10,
    published_on_topic=2,
    tagged_distinct=2,
    ledger=LedgerView(10, 0, 0, 10, 0, 2, 8, 0, 0),
    windows_wrong=0,
    revisions=4,
    delivered=4,
    repeats=3,
    gaps=0,
)


@pytest.mark.parametrize(
    "broken",
    [
        {"published": 11},
        {"tagged_distinct": 1},
        {"windows_wrong": 1},
        {"delivered": 3},
        {"gaps": 1},
        {"repeats": 4},
        {"ledger": replace(GOOD.ledger, off_topic=7)},
        {"kills": (replace(GOOD.kills[0], jobs=2), GOOD.kills[1])},
        {"kills": (replace(GOOD.kills[0], recovered_s=61.0), GOOD.kills[1])},
        {"kills": (replace(GOOD.kills[0], recovered_s=None), GOOD.kills[1])},
        {"kills": (replace(GOOD.kills[0], orphans=1), GOOD.kills[1])},
    ],
)
def test_one_broken_promise_is_enough(broken: dict[str, Any]) -> None:
    assert GOOD.ok  # one repeat a kill is allowed: three were killed
    assert not replace(GOOD, **broken).ok


def test_a_kill_in_a_checkpoint_is_told_in_its_row() -> None:
    row = faults._row(Kill(8, ("engine",), 4.0, 12.3, 0, in_checkpoint=True))

    assert row.split() == ["8", "engine,", "in", CHECKPOINT, "4.0", "12.3", "0", "1"]
