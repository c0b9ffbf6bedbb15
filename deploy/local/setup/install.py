"""``python -m deploy.local.setup.install``: bring here what the service needs beside packages.

What `run.sh install` runs. Progress goes to stderr: a bar on a terminal, else a few lines.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from deploy import settings
from deploy.errors import CommandError
from deploy.local.setup import jars, java
from deploy.local.setup.jars import Jar, JarStore, Progress

MB = 1_000_000


def main() -> None:
    """Fetch the jars, look for Java; with ``--tests`` Prometheus too, which only tests need."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tests", action="store_true", help="what only tests need, too")
    arguments = parser.parse_args()
    try:
        install()
        if arguments.tests:
            from deploy.local.setup import prometheus

            prometheus.install(say)
    except CommandError as e:
        say(str(e))
        raise SystemExit(e.exit_code) from None
    except OSError as e:
        say(
            f"{e.filename or 'the disk'}: {e.strerror or e}; make room or mend it, and run it again"
        )
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        say("stopped; run it again to go on")
        raise SystemExit(130) from None


def install() -> None:
    """Everything that `up` needs is here afterwards.

    Raises:
        Fault: something is not to be had.
    """
    store = JarStore()
    wanted = tuple({jar for name in jars.SETS for jar in jars.read_lock(name)})
    missing = store.missing(wanted)
    if missing:
        size = sum(jar.size for jar in missing)
        say(f"fetching {len(missing)} jars of Kafka and the engine, {size / MB:.0f} MB …")
        with _progress(missing) as progress:
            store.fetch(wanted, settings.load().jar_mirror, progress)
    for name in jars.SETS:
        store.class_path(name)
    found = java.find_java()
    if missing:
        say(f"jars in {store.folder}, Java {found.version} from {found.source}")


def say(message: str) -> None:
    """A line for the person who waits."""
    print(f"straitwatch: {message}", file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def _progress(missing: tuple[Jar, ...]) -> Iterator[Progress]:
    total = sum(jar.size for jar in missing)
    if not sys.stderr.isatty():
        yield _lines(total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    with Progress(
        BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    ) as bar:
        task = bar.add_task("jars", total=total)
        yield lambda _done, _jars, size: bar.advance(task, size)


def _lines(total: int) -> Progress:
    """A line for each quarter."""
    bytes_done = 0
    next_quarter = 1

    def progress(done: int, jars_in_all: int, size: int) -> None:
        nonlocal bytes_done, next_quarter
        bytes_done += size
        while next_quarter <= 4 and bytes_done * 4 >= total * next_quarter:
            say(f"  {next_quarter * 25} % ({done} of {jars_in_all} jars)")
            next_quarter += 1

    return progress


if __name__ == "__main__":
    main()
