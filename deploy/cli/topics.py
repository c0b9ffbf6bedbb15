"""`straitwatch topics`: check topic files, see why a text got its tags, bring them into service."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.rules.tagging.evaluate import Verdict
    from pipeline.rules.tagging.tagger import Explanation
    from pipeline.rules.tagging.topic_file import TopicSet


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    topics = typer.Typer(
        help="Topic files: check them, see why a text got its tags, bring them into service.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    topics.command("check")(check)
    topics.command("explain")(explain)
    topics.command("apply")(apply)
    app.add_typer(topics, name="topics")


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of topic files.")],
) -> None:
    """Read the topic files of a folder and try their own examples.

    Each fault is a line, file:line: message, and the exit code is 2.

    Example: straitwatch topics check my-topics/
    """
    topics = _checked(folder)
    for topic in topics.topics:
        terms = sum(len(term_set.terms) for term_set in topic.sets)
        typer.echo(
            f"{topic.name}: {terms} terms in {len(topic.sets)} sets, {len(topic.routes)} routes, "
            f"{len(topic.examples)} examples hold"
        )
    typer.echo(f"rules version {topics.version}")


def apply(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of topic files.")],
    wait_seconds: Annotated[
        float,
        typer.Option("--wait", min=0, help="Seconds to wait for the service; 0: do not wait."),
    ] = 3600,
) -> None:
    """Bring the topic files of a folder into the running service.

    They are checked and copied; then the service tags and counts again all that Kafka retains. It
    returns when the new rules have caught up. What was told is not told again, what is open goes
    on, and what happened before is raised by no new rule.

    Example: straitwatch topics apply my-topics/
    """
    from deploy.topics_apply import apply_topics

    apply_topics(_checked(folder), wait_seconds)


def _checked(folder: Path) -> TopicSet:
    """The topics of a folder, their examples tried; faults are told and end the command."""
    from deploy.topic_files import read_topic_files
    from pipeline.rules.tagging.tagger import check_examples
    from pipeline.rules.tagging.topic_file import TopicSet
    from pipeline.rules.tagging.topic_model import TopicFileError

    try:
        topics = TopicSet.parse(read_topic_files(folder))
        faults = check_examples(topics)
    except TopicFileError as e:
        faults = e.faults
    for fault in faults:
        typer.echo(f"{folder / fault.file}:{fault.line}: {fault.message}", err=True)
    if faults:
        raise typer.Exit(2)
    return topics


def explain(
    text: Annotated[
        str,
        typer.Argument(metavar="TEXT", help="A headline; more lines are its summary. '-': stdin."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    topics: Annotated[
        Path | None,
        typer.Option("--topics", help="Folder of topic files; default: those in force."),
    ] = None,
) -> None:
    """Show which terms of a text count for and against each topic.

    Example: straitwatch topics explain "Tokyo protests over Chinese drilling in the East China Sea"
    """
    from deploy.topic_files import load_topics
    from pipeline.rules.tagging.tagger import Tagger

    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
    title, _, summary = text.strip().partition("\n")
    explanation = Tagger(load_topics(topics)).explain(title, summary.strip())
    if as_json:
        typer.echo(json.dumps(_plain(explanation), ensure_ascii=False))
    else:
        _show(explanation)


def _plain(explanation: Explanation) -> dict[str, Any]:
    return {
        "lang": explanation.lang.value,
        "topics": {
            v.topic: {
                "tagged": v.tagged,
                "score": v.score,
                "escalation": v.escalation,
                "for": [_reason(r.name, r.weight, r.terms) for r in v.reasons if r.weight > 0],
                "against": [_reason(r.name, r.weight, r.terms) for r in v.reasons if r.weight < 0],
                "levels": [
                    {"name": r.name, "level": int(r.weight), "terms": list(r.terms)}
                    for r in v.levels
                ],
            }
            for v in explanation.verdicts
        },
    }


def _reason(name: str, weight: float, terms: tuple[str, ...]) -> dict[str, Any]:
    return {"name": name, "weight": round(weight, 3), "terms": list(terms)}


def _show(explanation: Explanation) -> None:
    typer.echo(f"language {explanation.lang.value}")
    if not explanation.verdicts:
        typer.echo("no term of any topic was found")
    for verdict in explanation.verdicts:
        _show_verdict(verdict)


def _show_verdict(verdict: Verdict) -> None:
    if verdict.tagged:
        head = (
            f"{verdict.topic}: tagged, score {verdict.score:.2f}, escalation {verdict.escalation}"
        )
    else:
        head = f"{verdict.topic}: not tagged, score {verdict.score:.2f} of 1"
    typer.secho(head, bold=True, fg=typer.colors.GREEN if verdict.tagged else None)
    for reason in verdict.reasons:
        colour = typer.colors.GREEN if reason.weight > 0 else typer.colors.RED
        typer.secho(f"  {reason.weight:+.2f}  {reason.name}: {', '.join(reason.terms)}", fg=colour)
    for level in verdict.levels:
        typer.secho(
            f"  level {level.weight:.0f}  {level.name}: {', '.join(level.terms)}",
            fg=typer.colors.YELLOW,
        )
