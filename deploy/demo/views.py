"""One report across all streams, and one institution's inbox as it sees it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.text import Text

from deploy.actors.script import BANDUNG
from deploy.demo.summary import Account, grid, titled
from deploy.demo.watch import Seen
from shared.contract import topics
from shared.contract.tracking import tracking_number

WIB: Final = ZoneInfo("Asia/Jakarta")
TIMELINE_MAX: Final = 32
INBOX_LAST: Final = 10
CODE_CHARACTERS_MAX: Final = 60


def timeline(account: Account) -> Iterator[RenderableType]:
    """Show the report with the most to tell, across the streams."""
    told = Counter[str]()
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for seen in account.records:
        if seen.stream not in _QUIET and seen.report:
            told[seen.report] += 1
            kinds[seen.report].add(seen.type)
    fit = [report for report, count in told.items() if count <= TIMELINE_MAX]
    if not fit:
        return
    report = max(fit, key=lambda each: (len(kinds[each]), told[each], each))
    table = grid("WIB", "STREAM", "EVENT", "WHAT")
    events = [s for s in account.records if s.report == report and s.stream not in _QUIET]
    for seen in sorted(events, key=lambda each: each.at):
        stream = seen.stream.removeprefix("lapor.").removesuffix(".v1")
        when = seen.at.astimezone(WIB)
        table.add_row(f"{when:%d %b %H:%M}", stream, seen.type, _what(seen.body))
    yield titled(f"One report across the streams: {tracking_number(report)}", table)


_QUIET: Final = frozenset(
    s.name for s in (topics.NOTIFICATIONS, topics.INBOX, topics.OUTBOX, topics.SUBMISSIONS,
                     topics.ANSWERS)
)  # fmt: skip
_SHOWN: Final = (
    "channel", "institution", "unit", "report_class", "to", "by", "rule", "reason",
    "clock", "level", "on_time", "window", "rating", "solved",
)  # fmt: skip
_WORDS: Final = ("text", "question", "note", "why")
_ENTRY_FIELDS: Final = (
    "unit", "clock", "level", "reason", "forwarded_to", "proposed_owner", "proposed_unit",
    "similar", "closed_by", "rating", "solved",
)  # fmt: skip


def _what(body: Mapping[str, Any]) -> str:
    """Say the clear facts of an event; sealed words are named, not shown."""
    said = [_short(name, body[name]) for name in _SHOWN if body.get(name) is not None]
    if body.get("deadline"):
        last = datetime.fromisoformat(body["deadline"]) - timedelta(microseconds=1)
        said.append(f"until {last.astimezone(WIB):%d %b}")
    said += [f"{name}: sealed" for name in _WORDS if _is_sealed(body.get(name))]
    return ", ".join(said)


def _short(name: str, value: object) -> str:
    return f"{name}: sealed" if _is_sealed(value) else f"{name} {value}"


def _is_sealed(value: object) -> bool:
    """Say whether a text is sealed: long, and without a space."""
    text = str(value or "")
    return len(text) > CODE_CHARACTERS_MAX and " " not in text


# ---- an inbox


def inbox(account: Account) -> RenderableType:
    """Show what the institution sees, hidden fields as hidden."""
    topic = topics.INBOX.topic(BANDUNG)
    own = [s for s in account.of("InboxEntry") if s.place.startswith(topic + "/")]
    shown = _with_reports(own)
    table = grid("WIB", "REPORT", "ENTRY", "WHAT THE INSTITUTION SEES")
    for seen in shown:
        when = seen.at.astimezone(WIB)
        table.add_row(
            f"{when:%d %b %H:%M}", tracking_number(seen.report), seen.body["entry"],
            _seen_by_agency(seen.body),
        )  # fmt: skip
    return Group(table, Text(f"read from {topic}, {len(own)} entries in all"))


def _with_reports(own: Sequence[Seen]) -> Sequence[Seen]:
    """Return the last entries, the last reports handed over among them."""
    reports = [seen for seen in own if seen.body.get("report")][-3:]
    others = [seen for seen in own if not seen.body.get("report")][-(INBOX_LAST - len(reports)) :]
    return sorted((*reports, *others), key=lambda seen: seen.at)


def _seen_by_agency(body: Mapping[str, Any]) -> str:
    report = body.get("report")
    if report is None:
        text = f"“{str(body['text'])[:60]}”" if body.get("text") else ""
        facts = [_short(n, body[n]) for n in _ENTRY_FIELDS if body.get(n) or body.get(n) is False]
        return ", ".join(filter(None, (*facts, text)))
    who = (
        "reporter hidden (anonim)"
        if report.get("anonymous")
        else (f"{report.get('reporter')}, {report.get('contact')}")
    )
    secret = "; not for the public (rahasia)" if report.get("confidential") else ""
    return f"“{str(report.get('title'))[:60]}” by {who}{secret}"
