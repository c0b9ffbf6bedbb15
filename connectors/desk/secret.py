"""The webhook secret: configured, or made at the first start and kept in the home folder."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path
from typing import Final

from connectors.desk.errors import WrongSecret

FILE_NAME: Final = "webhook-secret"
PREFIX: Final = "whsec_"
_BYTES: Final = 32
"""Standard Webhooks asks for 24 to 64."""


def webhook_secret(home: Path, configured: str | None) -> str:
    """``whsec_…``, the same at every start.

    Raises:
        WrongSecret: the configured one, or the one in the file, is none.
        OSError: the file cannot be read or written.
    """
    if configured is not None:
        return _checked(configured, "STRAITWATCH_WEBHOOK_SECRET")
    path = home / FILE_NAME
    try:
        return _checked(path.read_text("ascii", "replace").strip(), str(path))
    except FileNotFoundError:
        return _make(path)


def _make(path: Path) -> str:
    secret = PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode("ascii")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    # Its owner's alone from the first byte, and never half-written.
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w") as out:
        out.write(secret + "\n")
        out.flush()
        os.fsync(out.fileno())
    try:
        # A link fails where somebody was quicker: then theirs holds.
        os.link(part, path)
    except FileExistsError:
        return _checked(path.read_text("ascii").strip(), str(path))
    finally:
        part.unlink()
    return secret


def _checked(secret: str, where: str) -> str:
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not key:
        raise WrongSecret(f"{where}: a webhook secret is {PREFIX} and then base64; set one or none")
    return secret
