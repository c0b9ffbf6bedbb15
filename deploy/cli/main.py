"""The command `straitwatch`: finds the module of a command, runs it, ends with its exit code.

A command's module is imported only when it is asked for, so that light commands start at once.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from contextlib import suppress
from typing import Annotated, Final

import typer

from deploy.errors import CommandError

COMMANDS: Final[dict[str, str]] = {
    "up": "service",
    "demo": "demo",
    "doctor": "service",
    "pipeline": "pipeline",
    "feeds": "feeds",
    "desk": "desk",
    "alerts": "alerts",
    "articles": "articles",
    "topics": "topics",
    "tag": "tag",
    "stories": "stories",
    "detect": "detect",
    "backtest": "backtest",
    "bench": "bench",
    "ledger": "ledger",
}
"""Command -> its module in `deploy.cli`; each has ``register(app)``."""


def main() -> None:
    """Run the command line and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show Japanese gets escapes, as stderr does by itself.
        sys.stdout.reconfigure(errors="backslashreplace")
    app = typer.Typer(
        name="straitwatch",
        help="News monitor: hear within minutes when reporting escalates, with the evidence.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        # None: colours where somebody looks at them (https://no-color.org).
        context_settings={"color": False if os.environ.get("NO_COLOR") else None},
    )
    app.callback()(_root)
    for module in _wanted(sys.argv[1:]):
        importlib.import_module(f"deploy.cli.{module}").register(app)
    try:
        try:
            app(standalone_mode=True)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where what is wrong can be said in a line
    except CommandError as e:
        _say(str(e))
        raise SystemExit(e.exit_code) from None
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing to tell anybody.
        _silence()
        raise SystemExit(1) from None
    except OSError as e:
        if e.errno not in _OF_THE_DISK:
            raise
        _silence()
        _say(f"{e.filename or 'the output'}: {e.strerror}; make room or mend it, and run it again")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


_OF_THE_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


def _silence() -> None:
    """What is left of our output goes nowhere: Python would stumble over it again at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("straitwatch"))
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Say which one this is.", callback=_tell_version)
    ] = False,
) -> None:
    """Straitwatch: feeds in, alerts with their evidence out."""


def _wanted(arguments: list[str]) -> list[str]:
    name = arguments[0] if arguments else ""
    if name in COMMANDS:
        return [COMMANDS[name]]
    return list(dict.fromkeys(COMMANDS.values()))


def _say(message: str) -> None:
    print(f"straitwatch: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
