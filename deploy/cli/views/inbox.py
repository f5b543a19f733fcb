"""An inbox entry as a person reads it: what it tells, and what may be answered next. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from deploy.cli.model.registry_names import Names
from deploy.cli.terminal.output import plain
from deploy.cli.terminal.text import deadline, why
from shared.contract import events as e
from shared.contract import tracking
from shared.registry import NATIONAL


class Next(NamedTuple):
    """Which commands answer an entry: an institution's, and the national admin's."""

    institution: tuple[type[e.Command], ...] = ()
    national: tuple[type[e.Command], ...] = ()


_VERIFY: Final = (e.Accept, e.ReturnReport, e.AskForInformation, e.Archive)
_FORWARD: Final = (e.Forward, e.AskForInformation, e.Archive, e.Block)
_WORK: Final = (e.InitialResponse, e.FollowUp, e.ReturnToInstitution)

NEXT: Final[Mapping[str, Next]] = {
    "report_received": Next(national=_FORWARD),
    "duplicate_suspected": Next(national=_FORWARD),
    "report_returned": Next(national=_FORWARD),
    "information_completed": Next(_VERIFY, _FORWARD),
    "report_to_verify": Next(_VERIFY),
    "accepted": Next((e.Reclassify,)),
    "routing_held": Next((e.Dispatch, e.ReturnReport)),
    "dispatched": Next(_WORK),
    "initial_response": Next((e.FollowUp,)),
    "follow_up": Next((e.CloseCase,)),
    "reporter_replied": Next((e.FollowUp, e.CloseCase)),
    "reopened": Next((e.FollowUp,)),
}
"""For each entry that asks for something: what may come next."""

NAMES_A_UNIT: Final = (e.Dispatch, e.UnitCommand)
EFFECT_OF: Final[Mapping[type[e.Command], str]] = {
    e.Forward: "forwarded",
    e.Block: "blocked",
    e.AskForInformation: "information_requested",
    e.Archive: "archived",
    e.Accept: "accepted",
    e.ReturnReport: "report_returned",
    e.Reclassify: "reclassified",
    e.Dispatch: "dispatched",
    e.InitialResponse: "initial_response",
    e.FollowUp: "follow_up",
    e.ReturnToInstitution: "unit_returned",
    e.CloseCase: "closed",
}
"""The entry by which a command's effect comes back to who gave it."""
REFUSALS: Final = frozenset({"command_refused", "command_rejected"})
_UNREAD: Final = frozenset({
    "empty_value", "not_json", "invalid_fields", "missing_header", "unknown_type",
})  # fmt: skip
"""The gateway could not read which report such a message was about."""


def next_commands(entry: e.InboxEntry) -> tuple[type[e.Command], ...]:
    """Return what may answer an entry; a final holding cannot be returned."""
    known = NEXT.get(entry.entry, Next())
    commands = known.national if entry.institution == NATIONAL else known.institution
    if entry.final:
        returns = (e.ReturnReport, e.ReturnToInstitution)
        return tuple(command for command in commands if command not in returns)
    return commands


def lines(entry: e.InboxEntry, names: Names) -> Iterator[str]:
    """Say an entry in lines: the first is its head, the others hang below it."""
    yield "  ".join(filter(None, _head(entry, names)))
    if entry.report is not None:
        yield from _report(entry.report, names)
    if entry.entry in REFUSALS and entry.reason:
        yield f"{entry.reason}: {why(entry.reason, entry.text)}"
    elif entry.text:
        yield plain(entry.text.replace("\n", " "))
    commands = next_commands(entry)
    if commands:
        yield f"→ answer with {' or '.join(command.__name__ for command in commands)}"
        yield f"  {how(entry, commands[0])}"


def _head(entry: e.InboxEntry, names: Names) -> Iterator[str]:
    yield f"{entry.entry:<20}"
    if entry.reason not in _UNREAD:
        yield tracking.tracking_number(entry.report_id)
        yield f"holding {entry.holding}"
    yield names.unit(entry.unit) if entry.unit else ""
    if entry.deadline is not None:
        until = deadline(entry.deadline, names.zone(entry.institution))
        yield f"{entry.clock} by {until}"
    yield f"escalated to level {entry.level}" if entry.level else ""
    yield "final: may not be returned" if entry.final else ""
    if entry.entry in REFUSALS:
        yield f"message {plain(entry.message_id or '-')}"
    else:
        yield plain(entry.reason or "")
        yield from _particulars(entry, names)


def _particulars(entry: e.InboxEntry, names: Names) -> Iterator[str]:
    """Say whom and what an entry names beside its report."""
    if entry.forwarded_to:
        yield f"to {names.institution(entry.forwarded_to)}"
    if entry.proposed_owner:
        yield f"proposes {names.institution(entry.proposed_owner)}"
    if entry.proposed_unit:
        yield f"proposes {names.unit(entry.proposed_unit)}"
    if entry.similar:
        yield f"reads like {', '.join(map(tracking.tracking_number, entry.similar))}"
    if entry.closed_by:
        yield f"by the {entry.closed_by}"
    if entry.rating is not None:
        yield f"rated {entry.rating} of 5, {'' if entry.solved else 'not '}solved"


def _report(report: e.ReportView, names: Names) -> Iterator[str]:
    if report.title:
        yield plain(report.title)
    if report.body:
        yield plain(report.body.replace("\n", " "))
    flags = ("anonim" if report.anonymous else "", "rahasia" if report.confidential else "")
    yield ", ".join(
        filter(
            None,
            (
                f"via {report.channel}",
                report.report_class or "",
                f"category {names.category(report.category_id)}" if report.category_id else "",
                plain(report.place or report.place_code or ""),
                plain(report.reporter or ""),
                plain(report.contact or ""),
                *flags,
            ),
        )
    )


def how(entry: e.InboxEntry, command: type[e.Command]) -> str:
    """Return the command line that gives a command, its required fields to be filled in."""
    given: dict[str, str] = {}
    for name, field in command.model_fields.items():
        if field.is_required() and name not in ("report_id", "holding", "by"):
            given[name] = "…"
    if "unit" in given and entry.unit:
        given["unit"] = entry.unit
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in given.items())
    return (
        f"lapor agency send {entry.institution} {command.__name__} --report {entry.report_id} "
        f"--holding {entry.holding} {options}"
    ).strip()
