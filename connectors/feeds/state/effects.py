"""Writes the effects of many polls with few statements: the busiest statements of the connector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from connectors.feeds.state.records import Effect
from connectors.feeds.state.tables import ENTRIES, FEEDS, STATUS, TOTALS


def write_effects(c: sa.Connection, owner: str, effects: Sequence[Effect]) -> None:
    """Write ``effects`` in the transaction of ``c``; totals and status under ``owner``'s name."""
    _write_feeds(c, effects)
    _write_entries(c, effects)
    _add_counts(c, owner, effects)
    _add_status(c, owner, effects)


def insert_for(c: sa.Connection | sa.Engine) -> Any:
    """The ``insert`` that knows ``on_conflict_do_update``; both databases spell it alike."""
    return postgresql.insert if c.dialect.name == "postgresql" else sqlite.insert


def _write_feeds(c: sa.Connection, effects: Sequence[Effect]) -> None:
    # Statements are compiled once for each set of columns: polls of one kind share theirs.
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for effect in effects:
        if effect.changes:
            columns = tuple(sorted(effect.changes))
            by_columns.setdefault(columns, []).append(
                {"id_": effect.feed_id, **{f"v_{k}": v for k, v in effect.changes.items()}}
            )
    for columns, rows in by_columns.items():
        statement = (
            sa.update(FEEDS)
            .where(FEEDS.c.feed_id == sa.bindparam("id_"))
            .values(
                {name: sa.bindparam(f"v_{name}") for name in columns}
                | {"lease_until": 0.0, "lease_owner": None}
            )
        )
        c.execute(statement, rows)


def _write_entries(c: sa.Connection, effects: Sequence[Effect]) -> None:
    rows = [
        {
            "feed_id": e.feed_id,
            "article_id": s.article_id,
            "digest": s.digest,
            "revision": s.revision,
            "last_seen_at": s.last_seen_at,
        }
        for e in effects
        for s in e.seen
    ]
    if rows:
        insert = insert_for(c)(ENTRIES)
        c.execute(
            insert.on_conflict_do_update(
                index_elements=[ENTRIES.c.feed_id, ENTRIES.c.article_id],
                set_={
                    name: insert.excluded[name] for name in ("digest", "revision", "last_seen_at")
                },
            ),
            rows,
        )


def _add_counts(c: sa.Connection, owner: str, effects: Sequence[Effect]) -> None:
    sums: dict[str, int] = {}
    for effect in effects:
        for name, n in effect.counts:
            if n:
                sums[name] = sums.get(name, 0) + n
    if sums:
        insert = insert_for(c)(TOTALS)
        c.execute(
            insert.on_conflict_do_update(
                index_elements=[TOTALS.c.name, TOTALS.c.owner],
                set_={"count": TOTALS.c.count + insert.excluded["count"]},
            ),
            [{"name": k, "owner": owner, "count": n} for k, n in sorted(sums.items())],
        )


def _add_status(c: sa.Connection, owner: str, effects: Sequence[Effect]) -> None:
    sums: dict[tuple[int, str], list[int]] = {}
    for e in effects:
        if e.polled or e.answered or e.articles:
            total = sums.setdefault((e.bucket, e.group), [0, 0, 0])
            for n, add in enumerate((e.polled, e.answered, e.articles)):
                total[n] += add
    if not sums:
        return
    insert = insert_for(c)(STATUS)
    c.execute(
        insert.on_conflict_do_update(
            index_elements=[STATUS.c.bucket, STATUS.c.group_name, STATUS.c.owner],
            set_={
                name: STATUS.c[name] + insert.excluded[name]
                for name in ("polled", "answered", "articles")
            }
            | {"told": False},
        ),
        [
            {
                "bucket": bucket,
                "group_name": group,
                "owner": owner,
                "polled": total[0],
                "answered": total[1],
                "articles": total[2],
            }
            for (bucket, group), total in sorted(sums.items())
        ],
    )
