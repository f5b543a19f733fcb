"""`lapor deadline explain` and `verify`: why a date is the date it is, and whether that holds."""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Annotated, Any, TypeVar

import typer
from rich.text import Text

from deploy.cli.clients.kafka import run
from deploy.cli.commands.case import report_id_of
from deploy.cli.model.registry_names import Names
from deploy.cli.model.sla_snapshot import StackAddress, place
from deploy.cli.model.verification import Looked, Progress, look, verify_all
from deploy.cli.terminal.console import CliError, out
from deploy.cli.terminal.output import write_json
from deploy.cli.terminal.progress import Screen
from deploy.cli.views.explanation import StyledLine, differences_said, lines
from services.sla_monitor.audit.explain import PublishedEvent, explain
from services.sla_monitor.audit.explanation import Explanation
from services.sla_monitor.audit.verify import Mismatch
from shared.contract.events import Clock
from shared.contract.tracking import is_report_id, tracking_number

T = TypeVar("T")

SHOWN_MAX = 50  # differences told to people one by one

_Number = Annotated[
    str,
    typer.Argument(metavar="REPORT", help="A tracking number as people write it, or a report id."),
]
_AsJson = Annotated[bool, typer.Option("--json", help="One document, for programs; UTC.")]


def explained(
    number: _Number,
    *,
    clock: Annotated[Clock | None, typer.Option(help="Only the runs of this clock.")] = None,
    as_json: _AsJson = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Derive it again from the streams; exit 1 if it differs."),
    ] = False,
) -> None:
    """Explain a report's deadlines day by day: what counts, what does not, what moved them.

    Exits with 1 if the SLA monitor has nothing of the report.
    """
    report_id, where = report_id_of(number), place()
    looked = _read(
        lambda progress: look(where, report_id, progress, verify=verify), as_json=as_json
    )
    if looked.kept is None and not looked.differences:
        raise CliError(
            f"The SLA monitor has nothing of {tracking_number(report_id)}.",
            f"Is there such a report? lapor case show {report_id}. If it was handed in just "
            "now: does the SLA monitor run? lapor status",
        )
    explanation = _explanation(looked, where, clock)
    if as_json:
        write_json(_document(report_id, explanation, looked, verify=verify))
    else:
        _print(report_id, explanation, looked, verify=verify)
    raise typer.Exit(1 if looked.differences else 0)


def verified(
    numbers: Annotated[
        list[str] | None, typer.Argument(metavar="[REPORT]...", help="Which reports.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every report of the stack.")] = False,
    as_json: _AsJson = False,
) -> None:
    """Derive deadlines again from the facts in the streams and compare: one pass over all of them.

    Exits with 1 if what is kept, or what was published, differs from what follows from the facts.
    """
    if every == bool(numbers):
        raise CliError("Say which reports.", "Name them, or verify all of them: --all")
    report_ids = [report_id_of(number) for number in numbers or ()]
    where = place()
    count, differences = _read(
        lambda progress: verify_all(where, progress, only=report_ids if numbers else None),
        as_json=as_json,
    )
    if as_json:
        document = {"reports": count, "differences": [each.model_dump() for each in differences]}
        write_json(document)
    else:
        _print_differences(count, differences)
    raise typer.Exit(1 if differences else 0)


def _read(work: Callable[[Progress], Coroutine[Any, Any, T]], *, as_json: bool) -> T:
    """Run what reads the streams, with a bar where that is long."""
    with Screen("Reading the streams", None, as_json=as_json) as screen:

        def advance(done: int, total: int) -> None:
            screen.total = total
            screen.advance(done)

        return run(work(advance))


def _explanation(looked: Looked, where: StackAddress, clock: Clock | None) -> Explanation | None:
    if looked.kept is None:
        return None
    published = [PublishedEvent(heard.at, heard.event) for heard in looked.heard]
    return explain(
        looked.kept.case, looked.policy, clock=clock, published=published, as_of=where.clock.now()
    )


# ---- for programs


def _document(
    report_id: str, explanation: Explanation | None, looked: Looked, *, verify: bool
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "report_id": report_id, "tracking_number": tracking_number(report_id),
    }  # fmt: skip
    if explanation is not None:
        document |= explanation.model_dump(mode="json")
    if verify:
        document["is_verified"] = not looked.differences
        document["differences"] = [each.model_dump() for each in looked.differences]
    return document


# ---- for people


def _print(
    report_id: str, explanation: Explanation | None, looked: Looked, *, verify: bool
) -> None:
    _show([StyledLine(tracking_number(report_id), "bold"), StyledLine("")])
    if explanation is not None:
        _show(lines(explanation, Names()))
    if verify:
        _show([StyledLine("")])
        _show(differences_said(each.text for each in looked.differences))
        if not looked.differences and looked.kept is not None:
            facts, events = len(looked.kept.case.facts), len(looked.heard)
            _show([StyledLine(
                f"✓ Verified: derived again from {facts} facts, the same is kept, and the same was "
                f"said in {events} events.", "green",
            )])  # fmt: skip


def _print_differences(count: int, differences: Sequence[Mismatch]) -> None:
    texts = [f"{_named(each.report_id)}  {each.text}" for each in differences]
    _show(differences_said(texts[:SHOWN_MAX]))
    if len(texts) > SHOWN_MAX:
        _show([StyledLine(f"… and {len(texts) - SHOWN_MAX} more; all of them: --json")])
    wrong = len({each.report_id for each in differences})
    if wrong:
        _show(
            [StyledLine(f"✗ Reports that differ from their facts: {wrong} of {count}.", "bold red")]
        )
    else:
        text = (
            f"✓ Reports verified: {count}. What is kept and was published follows from the facts."
        )
        _show([StyledLine(text, "green")])


def _named(report_id: str) -> str:
    """Write a report as people do; a lane of the registry by its name."""
    return tracking_number(report_id) if is_report_id(report_id) else report_id


def _show(shown: Iterable[StyledLine]) -> None:
    for line in shown:
        out.print(Text(line.text, style=line.style), soft_wrap=True)
