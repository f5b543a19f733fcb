"""The account of a demo as tables for people; pure but for reading what was played."""

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from deploy.actors.script import BANDUNG, HSU, Ending, ReportScript
from deploy.demo.board import CLOCKS
from deploy.demo.calendar_moves import moved_by_decree
from deploy.demo.check import Standing, is_rejection, reasons
from deploy.demo.run import Cast, DemoOptions, Played
from deploy.demo.summary import Account, grid, titled
from deploy.demo.views import INBOX_LAST, inbox, timeline
from shared.contract import topics
from shared.contract.events import ReportClass

_STATUS: Final[Mapping[tuple[str, str], str]] = {
    ("closed", "system"): Ending.SYSTEM,
    ("closed", "reporter"): Ending.REPORTER,
    ("closed", "admin"): Ending.ADMIN,
    ("archived", "admin"): Ending.ARCHIVED_ADMIN,
    ("archived", "system"): Ending.ARCHIVED_SYSTEM,
    ("archived", "reporter"): Ending.ARCHIVED_REPORTER,
}


def tables(cast: Cast, played: Played, options: DemoOptions) -> Iterator[RenderableType]:
    """Write the whole account, one part after the other."""
    account = Account(cast, played, options)
    yield _honest(account)
    yield titled("Final statuses beside the export's", _statuses(account))
    yield titled("Indicators", _indicators(account))
    yield titled("Warnings, breaches and escalations, by clock", _breaches(account))
    yield titled("Decrees published in the year", moved_by_decree(account))
    yield from timeline(account)
    yield titled(f"The last {INBOX_LAST} entries in the inbox of {BANDUNG}", inbox(account))
    yield titled("At the gateways", _gateways(account))
    yield titled("The check", _check(account))


# ---- how it was played


def _honest(account: Account) -> RenderableType:
    """Say how long the pipeline took in real time, and what that is on the scaled clock."""
    seconds = account.options.seconds
    days = 365 / seconds
    found = sorted(_latencies(account))
    if not found:
        return Text("No report reached an institution without an officer.")
    half, most = statistics.median(found), found[int(len(found) * 0.95)]
    return Text(
        f"\nA year in {seconds:.0f} s: one second is {days:.1f} days. From submission to the "
        f"institution's inbox (3 services, automatic) it took {half:.2f} s in the middle and "
        f"{most:.2f} s at the 95th percentile, which on this clock looks like "
        f"{half * days:.1f} and {most * days:.1f} days, and so do the records of every later step: "
        f"read the days and breaches below with that in mind. "
        f"{len(account.records):,} records on the public streams in {account.played.seconds:.0f} s."
    )


def _latencies(account: Account) -> Iterator[float]:
    """Return real seconds from each submission to the inbox of the institution it went to."""
    scale = 365 * 86_400 / account.options.seconds
    sent = {(seen.producer, seen.id): seen.at for seen in reversed(account.of("SubmitReport"))}
    lives = account.cast.by_report
    automatic = {seen.report for seen in account.of("ReportForwarded") if seen.body["by"] == "auto"}
    for seen in account.of("InboxEntry"):
        is_first = seen.body["entry"] == "report_to_verify" and seen.body.get("holding") == 1
        if is_first and seen.report in automatic and seen.report in lives:
            life = lives[seen.report]
            yield (seen.at - sent[life.channel, life.message_id]).total_seconds() / scale


# ---- statuses


def status_of(standing: Standing | None) -> str:
    """Name a report's standing in the export's words."""
    if standing is None:
        return "not received"
    if standing.state in ("blocked", "withdrawn"):
        return Ending.BLOCKED if standing.state == "blocked" else Ending.ARCHIVED_REPORTER
    if not standing.is_over:
        return f"open: waits for {standing.waits_for}"
    return _STATUS[standing.state, standing.by]


def _statuses(account: Account) -> RenderableType:
    lives = [life for life in account.cast.lives if not life.is_extra]
    ours = Counter(status_of(account.standings.get(life.report_id)) for life in lives)
    theirs = Counter(str(life.ending) for life in lives)
    table = grid("STATUS", "EXPORT", "OURS", "DIFFERENCE", "WHY", right=("EXPORT", "OURS"))
    order = [str(ending) for ending in Ending if ending in theirs or ending in ours]
    for status in (*order, *sorted(set(ours) - set(order))):
        difference = ours[status] - theirs[status]
        said = f"{difference:+d}" if difference else ""
        table.add_row(
            status, str(theirs[status]), str(ours[status]), said,
            _why(status, account, lives) if difference else "",
        )  # fmt: skip
    table.add_row("all", str(len(lives)), str(ours.total()), "", "")
    extras = [life for life in account.cast.lives if life.is_extra]
    beside = Counter(status_of(account.standings.get(life.report_id)) for life in extras)
    hsu = sum(life.owner == HSU for life in extras)
    note = ", ".join(f"{status} {count}" for status, count in sorted(beside.items()))
    return Group(
        table,
        Text(
            f"Beside the export: {hsu} reports of HSU (WITA) and {len(extras) - hsu} sent twice by "
            f"their authors: {note}."
        ),
    )


def _why(status: str, account: Account, lives: Sequence[ReportScript]) -> str:
    """Explain a difference by what the export had for the reports that ended otherwise."""
    moved = Counter(
        (str(life.ending), got)
        for life in lives
        if (got := status_of(account.standings.get(life.report_id))) != life.ending
        and status in (got, life.ending)
    )
    return "; ".join(f"{count} {_because(was, got)}" for (was, got), count in moved.most_common(3))


def _because(was: str, got: str) -> str:
    if was == Ending.INCOMPLETE and got == Ending.ARCHIVED_SYSTEM:
        return "never completed: ours expire after 10 working days, theirs leak"
    if got == Ending.SYSTEM:
        return f"of {was}: the word came after the reply window"
    return f"{was} -> {got}"


# ---- indicators


_FIGURES: Final = (
    "REPORTS", "AT A UNIT", "FOLLOWED UP", "%", "MEAN DAYS", "MEDIAN", "IN TIME %",
)  # fmt: skip


def _indicators(account: Account) -> RenderableType:
    classes = {seen.report: str(seen.body["report_class"]) for seen in account.of("ReportAccepted")}
    received = {seen.report for seen in account.of("ReportReceived")}
    table = grid(
        "CLASS", *_FIGURES, right=_FIGURES,
    )  # fmt: skip
    for name in ReportClass:
        table.add_row(
            name.value, *_figures(account, {r for r in received if classes.get(r) == name})
        )
    never = {r for r in received if r not in classes}
    table.add_row("ended before it was classified", *_figures(account, never))
    table.add_row("all", *_figures(account, received))
    return Group(
        table,
        Text(
            "Days: working days from the submission to the first follow-up, by the institution's "
            "calendar. In time: by the follow-up clock, from the dispatch."
        ),
    )


def _figures(account: Account, reports: set[str]) -> tuple[str, ...]:
    dispatched = {seen.report for seen in account.of("ReportDispatched")} & reports
    first: dict[str, datetime] = {}
    for seen in account.of("FollowUpGiven"):
        if seen.report in reports:
            first[seen.report] = min(seen.at, first.get(seen.report, seen.at))
    days = [_working_days(account, report, at) for report, at in first.items()]
    met = [
        bool(seen.body["on_time"]) for seen in account.of("DeadlineMet")
        if seen.report in first and seen.body["clock"] == "follow_up"
    ]  # fmt: skip
    return (
        str(len(reports)),
        str(len(dispatched)),
        str(len(first)),
        f"{100 * len(first) / len(dispatched):.1f}" if dispatched else "-",
        f"{statistics.mean(days):.1f}" if days else "-",
        f"{statistics.median(days):.0f}" if days else "-",
        f"{100 * sum(met) / len(met):.1f}" if met else "-",
    )


def _working_days(account: Account, report: str, until: datetime) -> int:
    life = account.cast.by_report[report]
    calendar = account.cast.registry.calendar(life.owner, account.played.until)
    received, answered = calendar.local_date(life.submitted_at), calendar.local_date(until)
    return calendar.working_time(calendar.end_of_day(received), calendar.end_of_day(answered)).days


# ---- breaches


def _breaches(account: Account) -> RenderableType:
    warned = Counter(seen.body["clock"] for seen in account.of("DeadlineApproaching"))
    levels = Counter(
        (seen.body["clock"], seen.body["level"]) for seen in account.of("DeadlineBreached")
    )
    withdrawn = account.of("BreachWithdrawn")
    levels.subtract((seen.body["clock"], seen.body["level"]) for seen in withdrawn)
    owed = Counter(seen.body["clock"] for seen in account.of("DeadlineSet"))
    met = Counter(seen.body["clock"] for seen in account.of("DeadlineMet"))
    headings = ("SET", "MET", "WARNINGS", "LEVEL 1", "LEVEL 2", "LEVEL 3")
    table = grid("CLOCK", *headings, right=headings)
    for clock in (*CLOCKS, "completion", "reply"):
        row = (owed[clock], met[clock], warned[clock], *(levels[clock, n] for n in (1, 2, 3)))
        table.add_row(CLOCKS.get(clock, f"reporter's {clock}"), *map(str, row))
    out = Counter(seen.body["window"] for seen in account.of("TimeRanOut"))
    return Group(
        table,
        Text(
            f"Windows that ran out on reporters: completion {out['completion']} (archived by the "
            f"system), reply {out['reply']} (closed by the system). Breaches withdrawn: "
            f"{len(withdrawn)}."
        ),
    )


# ---- the gateways


def _gateways(account: Account) -> RenderableType:
    told = reasons(account.records)
    outcomes = Counter(
        seen.body["outcome"] for seen in account.records if seen.stream == topics.ANSWERS.name
    )
    answers = ", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items()))
    sent = sum(n for (topic, _), n in account.played.sent.items() if topic.endswith("outbox.v1"))
    refused = Counter(
        f"{seen.body.get('command') or 'at the gateway'}: {seen.body['reason']}"
        for seen in account.records
        if seen.type == "CommandRefused" or is_rejection(seen)
    )
    table = grid("BAD INPUT", "TOLD")
    for bad in (*account.cast.bad, *account.cast.bad_commands):
        key = (bad.letter.topic, bad.letter.message_id)
        table.add_row(bad.letter.message_id, told.get(key, "nothing"))
    refusals = ", ".join(f"{what} {count}" for what, count in refused.most_common(12))
    forwards = Counter(
        "by the system" if seen.body["by"] == "auto" else "by officers of 00"
        for seen in account.of("ReportForwarded")
    )
    routes = ", ".join(f"{how} {count}" for how, count in sorted(forwards.items()))
    steps = ("DuplicateSuspected", "ReportReturned", "UnitReturned", "RoutingHeld")
    told_steps = ", ".join(f"{step} {len(account.of(step))}" for step in steps)
    notified = ", ".join(
        f"{kind} {len(account.of('Notification' + kind))}"
        for kind in ("Requested", "Sent", "Failed")
    )
    mails = ", ".join(f"{s} {n}" for s, n in account.played.mails.most_common(12))
    return Group(
        Text(f"channels: {answers}"),
        Text(f"institutions: {sent} commands; turned away: {refusals or 'none'}"),
        Text(f"forwarded: {routes}; {told_steps}"),
        Text(
            f"notifications when the clock stopped: {notified}; mail over SMTP "
            f"{account.played.mails.total()}: {mails}"
        ),
        table,
    )


# ---- the check


def _check(account: Account) -> RenderableType:
    played = account.played
    if played.problems:
        first = "\n".join(f"  {problem}" for problem in played.problems[:40])
        return Text(f"NOT PASSED, {len(played.problems)} findings:\n{first}", style="bold red")
    over = Counter(standing.state for standing in account.standings.values() if standing.is_over)
    waits = Counter(s.waits_for for s in account.standings.values() if not s.is_over)
    states = ", ".join(f"{state} {count}" for state, count in sorted(over.items()))
    parties = ", ".join(f"{party} {count}" for party, count in waits.most_common())
    gateways = Counter[str]()
    for (topic, _), count in played.sent.items():
        gateways["submissions" if topic.endswith("submissions.v1") else "commands"] += count
    return Text.assemble(
        ("PASSED  ", "bold green"),
        f"{gateways['submissions']} messages of channels and {gateways['commands']} commands of "
        f"institutions, each answered exactly once; {len(account.standings)} reports received: "
        f"{states}; waiting for a named party: {parties or 'none'}; no dead letter; no id with two "
        f"payloads; no escalation before its date or told twice; the deadlines of "
        f"{played.verified} reports derived again from their facts are those that were published.",
    )
