"""What the project says of itself holds together: README, settings, metrics, imports."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cli.main import COMMANDS
from deploy.settings import Settings
from pipeline.contracts.metrics import METRICS, Kind

ROOT = Path(__file__).parents[2]
TEXT = {".py", ".md", ".toml", ".sh", ".json", ".yml", ".yaml", ".html", ".lock", ".cfg"}
DASHBOARDS = sorted(ROOT.glob("dashboards/*.json"))
RULES = sorted(ROOT.glob("deploy/prometheus/*.yml"))


def tracked() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [ROOT / n for n in names if (ROOT / n).is_file()]


def exported() -> set[str]:
    names = set()
    for metric in METRICS:
        if metric.kind is Kind.COUNTER:
            names.add(f"{metric.name}_total")
        elif metric.kind is Kind.HISTOGRAM:
            names |= {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")}
        else:
            names.add(metric.name)
    return names


def expressions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "query", "definition") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


def test_imports_go_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_every_link_of_the_documents_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in tracked()
        if page.suffix == ".md"
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken


def test_every_path_that_a_document_names_is_there() -> None:
    gone = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in tracked()
        if page.suffix == ".md"
        for name in re.findall(
            r"`((?:pipeline|connectors|deploy|tests|dashboards)/[a-z0-9_./-]+)`",
            page.read_text(encoding="utf-8"),
        )
        if not (ROOT / name).exists()
    ]
    assert not gone


def test_every_run_sh_command_that_a_document_names_exists() -> None:
    script = (ROOT / "run.sh").read_text(encoding="utf-8")
    known = set(re.findall(r"[a-z][a-z-]+", script)) | set(COMMANDS)
    for page in [p for p in tracked() if p.suffix == ".md"]:
        for command in re.findall(r"\./run\.sh ([a-z-]+)", page.read_text(encoding="utf-8")):
            assert command in known, f"{page.name}: ./run.sh {command}"


def test_every_setting_is_in_the_operators_page_and_none_is_invented() -> None:
    page = (ROOT / "deploy/docs/operate.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `STRAITWATCH_([A-Z_]+)`", page, re.MULTILINE))
    assert documented == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("file", [*DASHBOARDS, *RULES], ids=lambda p: p.name)
def test_dashboards_and_alert_rules_use_only_metrics_of_the_list(file: Path) -> None:
    content = (json.loads if file.suffix == ".json" else yaml.safe_load)(
        file.read_text(encoding="utf-8")
    )
    used = {n for e in expressions(content) for n in re.findall(r"straitwatch_[a-z_]+", e)}
    assert used <= exported()


def test_every_metric_is_seen_on_a_dashboard() -> None:
    used = " ".join(
        e for f in DASHBOARDS for e in expressions(json.loads(f.read_text(encoding="utf-8")))
    )
    unseen = [m.name for m in METRICS if m.name not in used]
    assert not unseen


def test_metric_names_and_labels_keep_the_rules() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"straitwatch_[a-z_]+", metric.name)
        assert not metric.name.endswith("_total")
        assert metric.meaning.endswith(".")
        assert not {"url", "title", "host", "article_id"} & set(metric.labels)
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for p in tracked()
        if p.suffix == ".py"
        and "migrations" not in p.parts
        and (n := len(p.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def test_package_files_hold_no_imports() -> None:
    for package in ("pipeline", "connectors", "deploy"):
        for file in (ROOT / package).rglob("__init__.py"):
            assert "import" not in file.read_text(encoding="utf-8").split('"""')[-1], file


def test_light_commands_do_not_load_the_engine() -> None:
    code = (
        "import sys; from deploy.cli import main; sys.argv = ['straitwatch', 'topics', '--help']\n"
        "try: main.main()\nexcept SystemExit: pass\n"
        "heavy = {'apache_beam', 'sqlalchemy', 'kafka', 'apprise'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
