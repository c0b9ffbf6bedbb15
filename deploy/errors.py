"""Errors that end a command with one line for the person who typed it.

CommandError        carries the exit code
├── Fault           1: a fault of ours or of the machine
├── WrongUse        2: wrong use or configuration
└── Refused         3: refused or not found
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar


class CommandError(Exception):
    """Ends a command; its text is one line that says what is wrong and what mends it."""

    exit_code: ClassVar[int] = 1


class Fault(CommandError):
    """A fault of ours or of the machine: a port in use, no Java to be had, a full disk."""

    exit_code = 1


class WrongUse(CommandError):
    """Wrong use or configuration: an option, a setting or a file that the user can mend."""

    exit_code = 2


class Refused(CommandError):
    """Refused or not found."""

    exit_code = 3


def unreadable(path: Path, error: OSError) -> CommandError:
    """What to raise for a file to be read: a folder is wrong use, all else refused or not found."""
    if isinstance(error, IsADirectoryError):
        return WrongUse(f"{path}: is a folder; give a file")
    return Refused(
        f"{path}: {(error.strerror or str(error)).lower()}; give a file that can be read"
    )


def json_fault(error: Exception) -> str:
    """What is wrong with a line that should be JSON, in a few words."""
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg}"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error)
