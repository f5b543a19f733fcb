"""Who did it, and what matters of it: one line for each event of a timeline. Pure.

Codes have their names beside them; what is sealed stays sealed.
"""

from collections.abc import Iterator

from deploy.cli.model.registry_names import Names
from deploy.cli.model.timeline import TimelineEntry
from deploy.cli.terminal.output import plain
from deploy.cli.terminal.text import deadline, why
from shared.contract import events as e


def who(entry: TimelineEntry, names: Names) -> str:
    """Name who did or said it: the reporter, an officer of an institution, or a stage by itself."""
    event = entry.event
    match event:
        case e.ReportReceived() | e.FromReporter():
            return f"reporter, {event.channel}"
        case e.SubmissionRepeated():
            return f"channel {event.channel}"
        case e.ReportArchived() if event.officer:
            return f"{event.officer}, {names.institution(event.institution)}"
        case e.ReportArchived() | e.ReportClosed():
            return event.by
        case e.Command() | e.ReportAccepted() | e.ReportReturned() | e.InformationRequested():
            return f"{event.by}, {names.institution(event.institution)}"
    by = getattr(event, "by", None)
    return str(by) if by else entry.stage


def facts(entry: TimelineEntry, names: Names) -> str:
    """Return the key facts of an event in one line."""
    if entry.event is None:
        return plain(_unread(entry))
    return plain(", ".join(filter(None, _facts(entry.event, names))))


def _unread(entry: TimelineEntry) -> str:
    headers = entry.headers
    if entry.kind != "DeadLetter":
        return "an event that this version does not know"
    position = "/".join(headers.get(name, "") for name in ("topic", "partition", "offset"))
    return f"{headers.get('reason', '')} {headers.get('detail', '')}, {position}"


def _facts(event: object, names: Names) -> Iterator[str]:
    match event:
        case e.ReportReceived():
            yield from _received(event, names)
        case e.FromReporter() | e.SubmissionRepeated():
            if isinstance(event, e.ReporterClosed):
                yield f"rating {event.rating}, {_solved(event.solved)}"
            yield f"message {event.message_id}"
        case e.CommandRefused():
            yield f"{event.command or 'a message'} of {names.institution(event.institution)}"
            yield f"{event.reason}: {why(event.reason)}"
        case e.Command():
            yield from _command(event, names)
        case e.OfDeadline():
            yield from _deadline(event, names)
        case e.Notification():
            yield f"{event.template} to {event.person} by {event.channel}"
            if isinstance(event, e.NotificationRequested) and event.deadline:
                until = deadline(event.deadline, names.zone(event.institution or ""))
                yield f"promises {event.clock} by {until}"
            if isinstance(event, e.NotificationFailed):
                yield event.reason
        case e.TimeRanOut():
            yield f"the {event.window} window closed {deadline(event.ran_out_at, names.zone(''))}"
        case _:
            yield from _decision(event, names)


def _received(event: e.ReportReceived, names: Names) -> Iterator[str]:
    yield event.report_class or ""
    if event.category_id:
        yield f"category {names.category(event.category_id)}"
    if event.institution:
        yield f"addressed to {names.institution(event.institution)}"
    yield "anonim" if event.anonymous else ""
    yield "rahasia" if event.confidential else ""
    suggested = event.screening.institution
    if suggested:
        yield f"suggested {names.institution(suggested.value)} ({suggested.confidence:.0%})"
    if event.screening.similar:
        yield f"similar to {' '.join(s.report_id for s in event.screening.similar)}"


def _command(event: e.Command, names: Names) -> Iterator[str]:
    yield f"holding {event.holding}"
    match event:
        case e.Forward():
            yield f"to {names.institution(event.to)}"
        case e.Archive():
            yield event.reason
            yield f"duplicate of {event.duplicate_of}" if event.duplicate_of else ""
        case e.Accept() | e.Reclassify():
            yield event.report_class
        case e.Dispatch() | e.UnitCommand():
            yield f"unit {names.unit(event.unit)}"
        case e.CloseCase():
            yield _solved(event.solved)


def _deadline(event: e.OfDeadline, names: Names) -> Iterator[str]:
    zone = names.zone(event.institution)
    yield f"{event.clock}: {names.owner(event.owner, event.institution, event.unit)}"
    match event:
        case e.DeadlineSet():
            yield f"by {deadline(event.deadline, zone)}"
            yield f"{event.limit} {event.limit_unit.replace('_', ' ')}"
        case e.DeadlineMoved():
            before = deadline(event.deadline_before, zone)
            yield f"from {before} to {deadline(event.deadline, zone)}"
            yield event.why
        case e.DeadlineMet():
            yield "in time" if event.on_time else "late"
            yield f"after {event.working_days:.1f} working days"
        case e.DeadlineApproaching():
            yield f"due {deadline(event.deadline, zone)}"
            yield _told(event.recipients)
        case e.DeadlineBreached():
            yield f"level {event.level}, was due {deadline(event.deadline, zone)}"
            yield _told(event.recipients)
        case e.BreachWithdrawn():
            yield f"level {event.level} of {deadline(event.deadline, zone)} is not true"
            yield event.why
            yield f"due {deadline(event.deadline_now, zone)}" if event.deadline_now else ""
            yield _told(event.recipients)


def _decision(event: object, names: Names) -> Iterator[str]:
    match event:
        case e.ReportForwarded():
            yield f"to {names.institution(event.institution)}, holding {event.holding}"
            yield event.why
            yield "final" if event.final else ""
        case e.InformationRequested():
            yield f"the reporter is asked, holding {event.holding}"
        case e.ReportArchived():
            yield event.reason
            yield f"duplicate of {event.duplicate_of}" if event.duplicate_of else ""
        case e.DuplicateSuspected():
            yield f"similar to {' '.join(s.report_id for s in event.similar)}"
        case e.ReportAccepted():
            yield f"holding {event.holding}, {event.report_class}"
            yield f"category {names.category(event.category_id)}" if event.category_id else ""
        case e.ReportReclassified():
            yield f"from {event.class_before} to {event.class_after}"
        case e.ReportReturned():
            yield f"holding {event.holding}"
            owner = event.proposed_owner
            yield f"better: {names.institution(owner)}" if owner else ""
        case e.RoutingHeld():
            yield f"{names.institution(event.institution)} has to name a unit: {event.reason}"
        case e.AtUnit() | e.ReportDispatched():
            yield from _at_unit(event, names)


def _at_unit(event: e.AtUnit | e.ReportDispatched, names: Names) -> Iterator[str]:
    yield names.unit(event.unit)
    match event:
        case e.ReportDispatched():
            yield event.why
            yield "final" if event.final else ""
        case e.FollowUpGiven() | e.ReporterAnswered():
            yield f"round {event.round}"
        case e.UnitReturned() if event.proposed_unit:
            yield f"better: {names.unit(event.proposed_unit)}"
        case e.ReportClosed():
            yield "" if event.solved is None else _solved(event.solved)
            yield f"rating {event.rating}" if event.rating else ""


def _solved(is_solved: bool) -> str:  # noqa: FBT001  a fact of the event, not a switch
    return "solved" if is_solved else "not solved"


def _told(recipients: tuple[str, ...]) -> str:
    return f"told: {', '.join(recipients)}" if recipients else ""
