"""Errors of the desk.

DeskError
├── WrongChannel      a channel's URL cannot be used; the message never shows the URL's secrets
├── WrongSecret       the webhook secret cannot be used
├── WrongDatabase     the database's URL or schema cannot be used
├── DatabaseAway      the database does not answer, or refuses
└── AlreadyAtWork     another desk holds the database
"""

from __future__ import annotations


class DeskError(Exception):
    """The root of this package's errors; its text is one line for the person who set it up."""


class WrongChannel(DeskError):
    """A channel's URL cannot be used."""


class WrongSecret(DeskError):
    """The webhook secret cannot be used."""


class WrongDatabase(DeskError):
    """The database cannot be used as it is."""


class DatabaseAway(DeskError):
    """The database does not answer, or refuses: a fault of the machine, or of another one."""


class AlreadyAtWork(DeskError):
    """Another desk is at work on the same database."""
