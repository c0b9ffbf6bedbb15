"""What commands that touch feeds share: where the list is, how it grows, and who we say we are."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.errors import Fault, WrongUse
from deploy.output import written

if TYPE_CHECKING:
    from ssl import SSLContext

    from connectors.feeds.feed_list import Feed, FeedList
    from deploy.settings import Settings

PACKAGED_LIST: Final = Path(__file__).parent / "feeds.toml"
LIST_NAME: Final = "feeds.toml"
VERSION: Final = "0.1"


def feed_list_places(settings: Settings) -> tuple[Path, ...]:
    """Where the feed list may be; the first that exists is used."""
    if settings.feeds is not None:
        return (settings.feeds,)
    return settings.home / LIST_NAME, PACKAGED_LIST


def feed_list_path(settings: Settings) -> Path:
    """The feed list in use: the operator's, else one in the home folder, else the packaged one."""
    places = feed_list_places(settings)
    return next((p for p in places if p.exists()), places[-1])


def use_feed_list(settings: Settings) -> FeedList:
    """The feeds of the list in use.

    Raises:
        WrongUse: it has faults; the message has a ``file:line: message`` for each.
    """
    from connectors.feeds.errors import FeedListError
    from connectors.feeds.service import load_list

    try:
        return load_list(feed_list_path(settings))
    except FeedListError as e:
        raise WrongUse(str(e)) from e


def add_to_list(settings: Settings, feeds: Sequence[Feed]) -> tuple[Path, list[Feed]]:
    """Append ``feeds`` to the operator's list, begun from the packaged one when there is none.

    One at a time: what is added by two commands at once is all in it.

    Returns:
        The list's file, and the feeds that were not in it before.

    Raises:
        WrongUse: a list in use has faults, or its folder cannot be written to.
        Fault: the disk would not take it.
    """
    from connectors.feeds.errors import FeedListError
    from connectors.feeds.feed_list import read_feed_list, write_feed

    target = feed_list_places(settings)[0]
    known = use_feed_list(settings).by_id()
    if all(f.feed_id in known for f in feeds):
        return feed_list_path(settings), []
    with _alone(target):
        # Read anew: another command may have added to the list while we waited.
        known = use_feed_list(settings).by_id()
        added = [f for f in feeds if f.feed_id not in known]
        text = feed_list_path(settings).read_text(encoding="utf-8").rstrip("\n")
        parts = [text, *(write_feed(f).rstrip("\n") for f in added)]
        text = "\n\n".join(parts).lstrip("\n") + "\n"
        try:
            read_feed_list(text, str(target))
        except FeedListError as e:
            raise WrongUse(f"the list would not be right with it: {e}") from e
        if added:
            with written(target) as file:
                file.write(text)
    return target, added


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """The block with nobody else of us changing ``path``.

    The lock is a file beside it, as `path` itself is replaced.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock").open("a")
    except OSError as e:
        raise WrongUse(f"{path}: cannot be written: {e.strerror or e}") from e
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def database_url(settings: Settings) -> str:
    """Where the connector's state is."""
    from connectors.feeds.state.database import sqlite_url

    url = settings.database_url
    return url.get_secret_value() if url else sqlite_url(settings.home)


@contextmanager
def database_faults() -> Iterator[None]:
    """Say in one line what is wrong with the connector's database, for the block that uses it.

    Raises:
        WrongUse: its driver is not installed.
        Fault: it does not answer, is broken, or belongs to a newer Straitwatch.
    """
    from alembic.util.exc import CommandError
    from sqlalchemy.exc import DatabaseError, OperationalError

    try:
        yield
    except ModuleNotFoundError as e:
        raise WrongUse(
            f"the database needs {e.name}: `./run.sh install` or `pip install 'psycopg[binary]'`"
        ) from e
    except CommandError as e:
        raise Fault(f"the connector's database is of a newer Straitwatch ({e}): use that") from e
    except DatabaseError as e:
        if type(e) not in (DatabaseError, OperationalError):
            raise  # a statement of ours is wrong: let it crash
        why = str(e.orig).strip().splitlines()[0]
        raise Fault(f"the connector's database cannot be used: {why}") from e


def trusted(settings: Settings) -> SSLContext | None:
    """Whose certificates feeds may have, when the operator has authorities of their own.

    Raises:
        WrongUse: the file of the setting has no certificate in it.
    """
    if settings.ca_file is None:
        return None
    from connectors.feeds.http.trust import trust_store

    try:
        return trust_store(settings.ca_file)
    except OSError as e:
        wrong = f"STRAITWATCH_CA_FILE: {settings.ca_file} is no file of certificates in PEM form"
        raise WrongUse(wrong) from e


def user_agent(contact: str | None) -> str:
    """Who we say we are: a publisher must be able to find out, and to complain."""
    return f"Straitwatch/{VERSION} (news monitor; {contact or 'no contact set'})"
