"""A connector with a short lease, in a process: NAME DATABASE BOOTSTRAP LIST ALLOWED."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from connectors.feeds.service import FeedsConfig, run

LEASE = 6.0

if __name__ == "__main__":
    name, database, bootstrap, listing, allowed = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    asyncio.run(
        run(
            FeedsConfig(
                database_url=database,
                kafka_bootstrap=bootstrap,
                feed_lists=(Path(listing),),
                user_agent=name,
                allow_hosts=(allowed,),
                poll_seconds=1.0,
                owner=name,
                lease_seconds=LEASE,
                workers=1,
            )
        )
    )
