"""How much of a document is read and kept. Each number with its reason."""

from __future__ import annotations

from typing import Final

MIB: Final = 1024 * 1024

MAX_DOCUMENT_BYTES: Final = 16 * MIB
"""The largest real feed in the corpora is below 1 MiB; a tree of 16 MiB fits a worker."""

MAX_PAGE_BYTES: Final = 4 * MIB
"""Of an article's page, for its full text: real ones have some hundred kilobytes."""

MAX_ENTRIES: Final = 2_000
"""Above every real feed (a news sitemap may have 1,000); the contract asks for 500 or more."""

MAX_TITLE: Final = 2_000
"""Characters; a headline has at most a few hundred. The contract allows 10,000."""

MAX_SUMMARY: Final = 10_000
"""Characters; tagging and story collapse read the lead only."""

MAX_MARKUP: Final = 100_000
"""Characters of markup that are turned into text for one field."""

MAX_DOCUMENT_MARKUP: Final = 4 * MIB
"""The same for all fields of one document together: 2 s of work at the worst."""

MAX_LINK: Final = 2_048
MAX_GUID: Final = 2_048
MAX_AUTHOR: Final = 200
MAX_AUTHORS: Final = 20
MAX_DATE: Final = 100
"""Characters of a date that are looked at."""

MIN_INTERVAL_SECONDS: Final = 60
MAX_INTERVAL_SECONDS: Final = 7 * 86_400
"""Bounds of the intervals that a feed may ask for."""

CPU_SECONDS: Final = 6
WALL_SECONDS: Final = 8.0
"""What one document may take: the contract's 10 s with room for starting up."""

RECYCLE_BYTES: Final = 150 * MIB
"""A worker that keeps so much more than at its start is replaced: the next would miss it."""

WORKER_MEMORY_BYTES: Final = 400 * MIB
"""Address space that a worker may take beyond what it has when ready: below 512 MiB."""
