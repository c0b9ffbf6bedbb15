"""Who reads which partition."""

from __future__ import annotations

import pytest

from deploy.job import shares


@pytest.mark.parametrize("partitions", range(1, 8))
@pytest.mark.parametrize("readers", range(1, 5))
def test_every_partition_has_one_reader_and_every_reader_a_partition(
    partitions: int, readers: int
) -> None:
    found = shares(partitions, readers)

    assert sorted(p for share in found for p in share) == list(range(partitions))
    assert all(found)
    assert len(found) == min(partitions, readers)
    assert max(map(len, found)) - min(map(len, found)) <= 1
