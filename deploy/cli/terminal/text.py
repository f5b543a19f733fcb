"""How the ways in say things: reasons, and times in a zone."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from deploy.cli.terminal.output import plain
from shared.contract.reasons import REASONS


def why(reason: str, detail: str | None = None) -> str:
    """Say in English what to do about a reason, with the fields that the sender was told of."""
    advice = REASONS.get(reason)
    if advice is None:
        return plain(detail or "")
    remainder = detail or ""
    for prefix in advice:
        remainder = remainder.removeprefix(prefix)
    return plain(f"{advice.en} {remainder.strip()}".strip())


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Write an instant to the second, in a zone, without the zone's name."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def deadline(at: datetime, zone: ZoneInfo) -> str:
    """Write a deadline to the minute with its zone; the end of a day is 24:00 of that day."""
    local = at.astimezone(zone)
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        return f"{local - timedelta(days=1):%Y-%m-%d} 24:00 {local:%Z}"
    return f"{local:%Y-%m-%d %H:%M %Z}"


def columns(rows: Iterable[tuple[str, ...]], gap: str = "  ") -> list[str]:
    """Line up short texts under each other; the last of each row may be of any length."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*(row[:-1] for row in table), strict=True)]
    return [
        gap.join([*(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=False)), row[-1]])
        for row in table
    ]
