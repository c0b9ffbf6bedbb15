"""What commands that touch feeds share: where the list is, and who we say we are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from deploy.settings import Settings

PACKAGED_LIST: Final = Path(__file__).parent / "feeds.toml"
VERSION: Final = "0.1"


def feed_list_path(settings: Settings) -> Path:
    """The feed list in use: the operator's, else one in the home folder, else the packaged one."""
    if settings.feeds is not None:
        return settings.feeds
    own = settings.home / "feeds.toml"
    return own if own.exists() else PACKAGED_LIST


def user_agent(contact: str | None) -> str:
    """Who we say we are: a publisher must be able to find out, and to complain."""
    about = contact or "no contact set"
    return f"Straitwatch/{VERSION} (news monitor; {about})"
