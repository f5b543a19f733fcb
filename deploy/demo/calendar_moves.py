"""What the year's decrees did to the deadlines that were open, as tables for people."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.text import Text

from deploy.demo.board import CLOCKS
from deploy.demo.summary import Account, grid
from deploy.demo.watch import Seen
from shared.contract.events import CalendarAmended
from shared.contract.tracking import tracking_number

SHOWN_MAX: Final = 3
DAYS_NAMED_MAX: Final = 6


def moved_by_decree(account: Account) -> RenderableType:
    """Say of each decree of the year how many open deadlines it moved, and the first of them."""
    parts: list[RenderableType] = []
    for _, decree in account.cast.decrees:
        moves = [
            seen
            for seen in account.of("DeadlineMoved")
            if seen.body["why"] == "calendar" and seen.body["calendar_version"] == decree.version
        ]
        parts.append(_head(decree, moves))
        if moves:
            parts.append(_table(account, moves[:SHOWN_MAX]))
    return Group(*parts)


def _head(decree: CalendarAmended, moves: list[Seen]) -> Text:
    added, removed = _days([day for day, _, _ in decree.add]), _days(decree.remove)
    clocks = Counter(CLOCKS.get(seen.body["clock"], seen.body["clock"]) for seen in moves)
    told = ", ".join(f"{clock} {count}" for clock, count in clocks.most_common())
    return Text(
        f"{decree.version}, published at noon: adds {added}; removes {removed}. "
        f"Open deadlines moved: {len(moves)}{f' ({told})' if told else ''}."
    )


def _days(days: Sequence[date]) -> str:
    """Name a few days, count many."""
    if len(days) > DAYS_NAMED_MAX:
        return f"{len(days)} days of {days[0]:%Y}"
    return ", ".join(f"{day:%d %b}" for day in days) or "nothing"


def _table(account: Account, moves: list[Seen]) -> RenderableType:
    table = grid("REPORT", "CLOCK", "BEFORE", "AFTER", "CALENDAR BEFORE")
    for seen in moves:
        body = seen.body
        zone = ZoneInfo(account.cast.registry.institution(body["institution"]).time_zone)
        table.add_row(
            tracking_number(seen.report), CLOCKS.get(body["clock"], body["clock"]),
            _last_day(body["deadline_before"], zone), _last_day(body["deadline"], zone),
            body["calendar_version_before"],
        )  # fmt: skip
    return table


def _last_day(deadline: str, zone: ZoneInfo) -> str:
    """Write a deadline as people say it: the end of its last day, local."""
    at = datetime.fromisoformat(deadline).astimezone(zone)
    day = date.fromordinal(at.toordinal() - (at.time() == time(0)))
    return f"{day:%d %b %Y}"
