"""`feeds check` asks once and says what comes, in a line for each feed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from connectors.feeds.feed_list import Feed
from deploy.cli.feeds_add import _check_all
from deploy.settings import Settings
from tests.integration.feeds_site import Site, answer, rss


def test_each_feed_has_a_line_that_says_why_it_is_no_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene() -> int:
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")))
            site.put("/page", b"<html>Welcome</html>")
            site.put("/empty", b"")
            site.pages["/gone"] = answer(b"", "410 Gone")
            site.pages["/old"] = answer(b"", "301 Moved", "Location: /rss\r\n")
            paths = ("/rss", "/page", "/empty", "/gone", "/old")
            feeds = [Feed("", site.url(path).replace("//", "//u:secret@")) for path in paths]
            settings = Settings(home=tmp_path, allow_hosts=(site.allowed,))
            return await _check_all(settings, [*feeds, Feed("", "nonsense")])

    assert asyncio.run(scene()) == 4
    said = capsys.readouterr().out
    assert "secret" not in said
    lines = {line.split(": ")[0].rpartition("/")[2]: line for line in said.splitlines()}
    assert lines["rss"].startswith("ok ")
    assert "1 articles" in lines["rss"]
    assert "it has moved to" in lines["old"]
    assert "bad_feed" in lines["page"]
    assert "bad_feed" in lines["empty"]
    assert "gone: " in lines["gone"]
    assert "address 6: write the whole address" in said
