"""`straitwatch feeds fetch` as its callers see it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.feeds_site import Site, answer, rss

BODY = rss(("1", "Bridge opens"))
PAGE = b"<html><body>Log in</body></html>"


def fetched(folder: Path, page: bytes, *options: str, user: str = "", allow: bool = True) -> Any:
    """Exit code, standard error and lines of a fetch of ``page``."""

    async def scene() -> Any:
        async with Site() as site:
            site.pages["/rss"] = page
            url = site.url("/rss").replace("//", f"//{user}", 1)
            allowed = ["--allow-host", site.allowed] if allow else []
            arguments = ["feeds", "fetch", url, *allowed, *options, "--out", "lines.jsonl"]
            return await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "deploy.cli", *arguments],
                cwd=folder,
                env={**os.environ, "STRAITWATCH_HOME": str(folder / "home")},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

    done = asyncio.run(scene())
    assert "Traceback" not in done.stderr
    lines = [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]
    return done.returncode, done.stderr, lines


def test_a_feed_ends_with_0_and_its_lines_with_that_of_the_fetch(tmp_path: Path) -> None:
    code, err, lines = fetched(tmp_path, answer(BODY, head='ETag: "7"\r\n'))
    assert (code, err) == (0, "")
    assert [line["kind"] for line in lines] == ["article", "document", "fetch"]
    fetch = lines[-1]
    assert (fetch["status"], fetch["outcome"], fetch["etag"]) == (200, "ok", '"7"')
    assert (fetch["bytes"], fetch["retry_after_s"]) == (len(BODY), None)
    assert fetch["final_url"] == lines[0]["file"]
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("page", "outcome", "kinds"),
    [
        (answer(PAGE), "bad_feed", ["document", "fetch"]),
        (answer(b""), "bad_feed", ["document", "fetch"]),
        (answer(BODY, "404 Not Found"), "http_error", ["fetch"]),
        (answer(BODY, "410 Gone"), "gone", ["fetch"]),
        (answer(BODY, "206 Partial Content"), "http_error", ["fetch"]),
        (answer(BODY + b" " * 5_000), "too_large", ["fetch"]),
    ],
)
def test_what_gives_no_feed_ends_with_3_one_line_why_and_no_article(
    tmp_path: Path, page: bytes, outcome: str, kinds: list[str]
) -> None:
    code, err, lines = fetched(tmp_path, page, "--max-bytes", "4000")
    assert (code, lines[-1]["outcome"]) == (3, outcome)
    assert [line["kind"] for line in lines] == kinds
    assert err.count("\n") == 1
    assert outcome in err


def test_not_modified_is_no_failure(tmp_path: Path) -> None:
    page = answer(b"", "304 Not Modified")
    code, err, lines = fetched(tmp_path, page, "--etag", '"7"')
    assert (code, err) == (0, "straitwatch: not modified\n")
    assert [line["kind"] for line in lines] == ["fetch"]
    assert lines[0]["outcome"] == "not_modified"


def test_an_inner_address_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    code, _, (fetch,) = fetched(tmp_path, answer(BODY), allow=False)
    assert (code, fetch["outcome"], fetch["status"]) == (3, "refused", None)


def test_user_info_is_never_printed(tmp_path: Path) -> None:
    for page in (answer(BODY), answer(BODY, "401 Unauthorized")):
        _, err, lines = fetched(tmp_path, page, user="analyst:s3cr3t@")
        assert "s3cr3t" not in err + json.dumps(lines)
