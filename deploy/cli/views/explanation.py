"""An explanation of deadlines as people read it: local times, days, numbered decrees. Pure.

The days are told in Indonesian, as decrees and officers name them.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from deploy.cli.model.registry_names import Names
from deploy.cli.terminal.output import plain
from deploy.cli.terminal.text import columns
from services.sla_monitor.audit.explanation import (
    Day,
    ExplainedStep,
    Explanation,
    Move,
    PauseExplained,
    RunExplained,
    SpanExplained,
)

WEEKDAYS: Final = ("Sen", "Sel", "Rab", "Kam", "Jum", "Sab", "Min")
DAYS_SINGLY_MAX: Final = 31  # a longer list has its full weeks in one line each
_WHOLE_SECONDS: Final = 86_400.0
_KINDS: Final = {
    "national": "libur nasional", "joint_leave": "cuti bersama", "regional": "libur daerah",
    "provisional": "libur, perkiraan",
}  # fmt: skip
_PAUSED: Final = {"asked": "pelapor diminta melengkapi", "elsewhere": "laporan ada di pihak lain"}
_COLOURS: Final = {"paused": "yellow", "holiday": "magenta", "weekend": "dim", "closed": "dim"}
_STATES: Final = {
    "running": "the clock runs", "paused": "the clock rests", "awaited": "done, as others' facts "
    "show; its own fact is awaited", "done": "done", "ended": "nothing is owed any more",
}  # fmt: skip
_CAUSES: Final = {
    "asked": "rests: the reporter is asked", "followed_up": "rests: the reporter may reply",
    "closed": "rests: closed",
}  # fmt: skip


class StyledLine(NamedTuple):
    """A line for people and its colour."""

    text: str
    style: str = ""


class Decrees:
    """Numbers decrees in the order they are named, so that each is written out once."""

    def __init__(self) -> None:
        self.named: dict[str, int] = {}

    def mark(self, decree: str) -> str:
        """Return a decree's number in brackets."""
        return f"[{self.named.setdefault(decree, len(self.named) + 1)}]"

    def lines(self) -> Iterator[StyledLine]:
        """Write the decrees out."""
        for decree, number in self.named.items():
            yield StyledLine(f"[{number}] {plain(decree)}", "dim")


def lines(explanation: Explanation, names: Names) -> Iterator[StyledLine]:
    """Write an explanation: each run of a clock, the ledger, the decrees."""
    decrees = Decrees()
    for run in explanation.runs:
        yield from _run(run, names, decrees)
        yield StyledLine("")
    yield from _ledger(explanation, names)
    if decrees.named:
        yield StyledLine("")
        yield StyledLine("Decrees", "bold")
        yield from decrees.lines()


# ---- one run


def _run(run: RunExplained, names: Names, decrees: Decrees) -> Iterator[StyledLine]:
    zone = ZoneInfo(run.zone)
    owner = names.owner(run.owner, run.institution, run.unit)
    yield StyledLine(f"{run.clock.replace('_', ' ')}: {owner}", "bold cyan")
    facts = [
        ("due", f"{local(run.deadline, zone)}{_beside(run)}"),
        ("state", _state(run, zone)),
        ("limit", _limit(run)),
        ("counts from", f"{local(run.started_at, zone)}, {_said(run.started_by)}"),
    ]
    if run.opened_by_id != run.started_by_id:
        facts.append(("goes on from", f"{local(run.opened_at, zone)}, {_said(run.opened_by)}"))
    marks = " ".join(decrees.mark(decree) for decree in run.decrees)
    facts.append(("calendar", f"{run.calendar_version} {marks}".strip()))
    facts += [("pause", _pause(rest, zone, names)) for rest in run.pauses]
    if run.initial_response_at is not None:
        after = f"after {run.initial_response_working_days:.2f} working days"
        facts.append(("first answer", f"{local(run.initial_response_at, zone)}, {after}"))
    facts += [("moved", _move(move, zone)) for move in run.moves]
    yield from (StyledLine(f"  {text}") for text in columns(facts))
    yield StyledLine("  days")
    for when, what, style in _days(run, decrees):
        yield StyledLine(f"    {when}  {what}", style)
    is_open = run.state not in ("done", "ended")
    steps = [step for step in run.steps if is_open or step.is_told]
    if steps:
        yield StyledLine("  levels")
        yield from _steps(steps, zone)


def _beside(run: RunExplained) -> str:
    remarks = []
    if run.is_provisional:
        remarks.append("provisional: a year on the way has no decree")
    if run.is_extended:
        remarks.append("past the limit: the report came back too late for it")
    return f" ({'; '.join(remarks)})" if remarks else ""


def _state(run: RunExplained, zone: ZoneInfo) -> str:
    if run.met_at is None or run.stopped_by is None:
        return _STATES[run.state]
    how = "in time" if run.on_time else "late"
    if any(step.kind == "window" and step.is_told for step in run.steps):
        how = "ran out"
    used = f"after {run.working_days:.2f} working days" if run.working_days is not None else ""
    if run.state == "ended":
        return f"{_STATES['ended']} since {local(run.met_at, zone)}, {used}"
    return f"{how}: {_said(run.stopped_by)} {local(run.met_at, zone)}, {used}"


def _limit(run: RunExplained) -> str:
    unit = run.limit_unit.replace("_", " ")
    of = f", {run.report_class}" if run.report_class else ""
    return f"{run.limit} {unit}{of}; policy {run.policy_version}: {plain(run.limit_source)}"


def _pause(rest: PauseExplained, zone: ZoneInfo, names: Names) -> str:
    until = "still" if rest.until is None else f"to {local(rest.until, zone)}"
    who = ", ".join(
        names.unit(each) if "-" in each else names.institution(each) for each in rest.by
    )
    why = f"at {who}" if who else "the reporter was asked" if rest.cause == "asked" else "elsewhere"
    ended = f", {_said(rest.ended_by)}" if rest.ended_by else ""
    left = f"{span(rest.left_seconds)} of working time left" if rest.counts else "too late to count"
    return f"{local(rest.since, zone)} {until}: {why}{ended}; {left}"


def _move(move: Move, zone: ZoneInfo) -> str:
    why = move.why.replace("_", " ")
    versions = [
        f"{before} → {after}"
        for before, after in (
            (move.calendar_version_before, move.calendar_version),
            (move.policy_version_before, move.policy_version),
        )
        if before is not None and before != after
    ]
    beside = f" ({', '.join(versions)})" if versions else ""
    when = f", said {local(move.at, zone)}" if move.at else ""
    before, after = local(move.deadline_before, zone), local(move.deadline, zone)
    return f"from {before} to {after}: {why}{beside}{when}"


def _steps(steps: Sequence[ExplainedStep], zone: ZoneInfo) -> Iterator[StyledLine]:
    rows = []
    for step in steps:
        due = local(step.due_at, zone) if step.due_at else f"of {local(step.deadline, zone)}"
        rows.append((f"{step.level:>2} {step.kind}", due, _told(step, zone)))
    for step, text in zip(steps, columns(rows), strict=True):
        yield StyledLine(f"    {text}", "red" if step.is_told and step.kind == "escalation" else "")


def _told(step: ExplainedStep, zone: ZoneInfo) -> str:
    to = f" → {', '.join(step.recipients)}" if step.recipients else ""
    if not step.is_told:
        return f"not told{to}"
    when = f" {local(step.told_at, zone)}" if step.told_at else ""
    why = f", withdrawn: {_said(step.withdrawn)}" if step.withdrawn else ""
    return f"told{when}{why}{to}"


def _said(kind: str | None) -> str:
    return "" if kind is None else kind.replace("_", " ")


# ---- days


def _days(run: RunExplained, decrees: Decrees) -> Iterator[tuple[str, str, str]]:
    day_lines = [(day, _day(day, run, decrees)) for day in run.days]
    is_long = len(day_lines) > DAYS_SINGLY_MAX
    groups: list[list[tuple[Day, str]]] = []
    for day, what in day_lines:
        last = groups[-1][-1] if groups else None
        if last is not None and _join(last, (day, what), is_long=is_long):
            groups[-1].append((day, what))
        else:
            groups.append([(day, what)])
    singly = all(len(group) == 1 for group in groups)
    for group in groups:
        first, last_day = group[0][0], group[-1][0]
        when = _date(first.on)
        if not singly:
            when = f"{when} – {_date(last_day.on)}" if len(group) > 1 else f"{when:<31}"
        what = group[0][1]
        if first.number is not None and len(group) > 1:
            what = f"{what}–{last_day.number}"
        yield when, what, _COLOURS.get(first.skipped or "", "") if first.number is None else ""


def _join(last: tuple[Day, str], day: tuple[Day, str], *, is_long: bool) -> bool:
    """Say whether a day goes into the line of the one before: the same, or of the same week."""
    (one, what), (other, what_other) = last, day
    if one.number is None and other.number is None:
        return what == what_other
    if not is_long or not one.number or not other.number or one.pauses or other.pauses:
        return False
    return other.on.weekday() > one.on.weekday() and _is_whole(one) and _is_whole(other)


def _is_whole(day: Day) -> bool:
    return day.counted_seconds == _WHOLE_SECONDS


def _day(day: Day, run: RunExplained, decrees: Decrees) -> str:
    provisional = ", tahun tanpa keputusan" if day.is_provisional else ""
    if day.number == 0 and day is run.days[0]:
        beside = f", {_skipped(day, run, decrees)}" if day.skipped else ""
        return f"hari 0{beside}{provisional}"
    if day.number is None:
        return f"{_skipped(day, run, decrees)}{provisional}"
    name = "hari" if run.limit_unit == "calendar_days" else "hari kerja"
    part = "" if _is_whole(day) else f", {span(day.counted_seconds)} terhitung"
    why = f", jeda: {_paused(day, run)}" if day.pauses else ""
    return f"{name} {day.number}{part}{why}{provisional}"


def _skipped(day: Day, run: RunExplained, decrees: Decrees) -> str:
    if day.skipped == "holiday":
        kind = _KINDS[day.kind or "national"]
        mark = f" {decrees.mark(day.decree)}" if day.decree else ""
        return f"{kind}: {plain(day.name or '')}{mark}"
    if day.skipped == "paused":
        return f"jeda: {_paused(day, run)}"
    return "akhir pekan" if day.skipped == "weekend" else "tutup"


def _paused(day: Day, run: RunExplained) -> str:
    return ", ".join(dict.fromkeys(_PAUSED[run.pauses[place].cause] for place in day.pauses))


# ---- the ledger


def _ledger(explanation: Explanation, names: Names) -> Iterator[StyledLine]:
    if not explanation.ledger:
        return
    yield StyledLine(
        f"Who had it: {span(explanation.life_seconds)} in all, no gap and no overlap", "bold"
    )
    rows = [("FROM", "TO", "ELAPSED", "WORKING", "WHO")]
    rows += [_span(each, names) for each in explanation.ledger]
    head, *rest = columns(rows)
    yield StyledLine(f"  {head}", "bold")
    for each, text in zip(explanation.ledger, rest, strict=True):
        yield StyledLine(f"  {text}", "dim" if each.cause else "")


def _span(each: SpanExplained, names: Names) -> tuple[str, str, str, str, str]:
    zone = ZoneInfo(each.zone)
    who = names.owner(each.holder, each.institution, each.unit)
    why = f", {_CAUSES.get(each.cause, each.cause)}" if each.cause else ""
    return (
        local(each.since, zone),
        local(each.until, zone) if each.until else "now",
        span(each.elapsed_seconds),
        span(each.working_seconds),
        f"{who}{why}",
    )


# ---- words


def _date(on: date) -> str:
    return f"{WEEKDAYS[on.weekday()]} {on}"


def local(at: datetime, zone: ZoneInfo) -> str:
    """Write an instant with its weekday, to the minute, in a zone; the end of a day is 24:00."""
    here = at.astimezone(zone)
    if (here.hour, here.minute, here.second, here.microsecond) == (0, 0, 0, 0):
        return f"{_date(here.date() - timedelta(days=1))} 24:00 {here:%Z}"
    return f"{_date(here.date())} {here:%H:%M} {here:%Z}"


def span(seconds: float) -> str:
    """Write a length of time to the minute: days of 24 hours, hours, minutes."""
    minutes = round(seconds / 60)
    parts = ((minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 min"


def differences_said(texts: Iterable[str]) -> Iterator[StyledLine]:
    """Write differences, one line each."""
    yield from (StyledLine(f"✗ {plain(text)}", "red") for text in texts)
