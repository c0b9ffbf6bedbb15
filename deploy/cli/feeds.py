"""`straitwatch feeds`: the group; each subcommand is a module of its own."""

from __future__ import annotations

import importlib
from typing import Final

import typer

_MODULES: Final = (
    "feeds_parse",
    "feeds_fetch",
    "feeds_run",
    "feeds_archive",
    "feeds_list",
    "feeds_add",
)
"""Modules of `deploy.cli` whose ``register(group)`` adds subcommands; light to import, all of
them."""


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="The feeds: what is polled, how it goes, and one-off debugging.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for module in _MODULES:
        importlib.import_module(f"deploy.cli.{module}").register(group)
    app.add_typer(group, name="feeds")
