"""An export has the articles in the order in which the pipeline decides on them."""

from __future__ import annotations

import io

from deploy.articles_export import in_order


def test_articles_of_one_millisecond_come_by_partition_and_offset() -> None:
    spools = {
        1: io.StringIO("5.000 a\n5.000 c\n6.000 d\n"),
        0: io.StringIO("4.999 y\n5.000 z\n5.000 b\n"),
    }

    assert "".join(in_order(spools)).split() == ["y", "z", "b", "a", "c", "d"]
