"""What `publish` of a calendar and of a policy do alike: check, show what would move, or do it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from deploy.cli.clients.kafka import kafka_address, run
from deploy.cli.clients.postgres import postgres_address, stage_pool
from deploy.cli.model.change_file import Event, refuse_bad, refuse_other_reach
from deploy.cli.model.change_preview import Preview, preview
from deploy.cli.model.registry_change import (
    business_clock,
    follow,
    publish,
    published,
    published_as,
)
from deploy.cli.model.registry_names import Names
from deploy.cli.terminal.console import err, out
from deploy.cli.terminal.output import write_json
from deploy.cli.terminal.progress import Screen
from deploy.cli.terminal.text import columns, deadline
from shared.contract.events import CalendarAmended, PolicyChanged
from shared.registry import Change, Registry, load

if TYPE_CHECKING:
    from services.sla_monitor.recompute import Progress

STAGE: Final = "sla-monitor"


@dataclass(frozen=True)
class PublishOptions:
    """What was typed: the command without `lapor` and --yes, and whether to do it."""

    command: str
    yes: bool
    as_json: bool


def amend(read: Callable[[Registry], Event], options: PublishOptions) -> None:
    """Check a change against all that is known, then show what it would do, or publish it."""
    kafka, dsn = kafka_address(), postgres_address()
    run(_amend(read, options, kafka, dsn))


async def _amend(
    read: Callable[[Registry], Event], options: PublishOptions, kafka: str, dsn: str
) -> None:
    files = load()
    changes = await published(kafka)
    current = files.amended(changes)
    event, now = read(current), business_clock().now()
    before = published_as(event.version, changes)
    is_repeated = before is not None
    refuse_bad(event, current, now)
    refuse_other_reach(event, before)
    moves_open = isinstance(event, CalendarAmended) or event.applies_to_open
    if options.yes:
        await publish(kafka, event)
        await _follow(event, options, dsn, moves_open=moves_open, is_repeated=is_repeated)
        return
    effect = Preview()
    if moves_open:
        with Screen("Deciding open reports", None, as_json=options.as_json) as screen:

            def advance(done: int, total: int) -> None:
                screen.total = total
                screen.advance(done)

            async with stage_pool(dsn, STAGE) as pool:
                effect = await preview(pool, files, Change(event=event, seen_at=now), advance)
    if options.as_json:
        document: dict[str, Any] = {"version": event.version, "published": is_repeated}
        write_json(document | effect.as_dict(), indent=2)
        return
    for line in [*about(event), *verdict(effect, moves_open=moves_open)]:
        out.print(Text(line), soft_wrap=True)
    again = " (again: it is on the stream already)" if is_repeated else ""
    _remark(f"Nothing was published. Publish it{again}: lapor {options.command} --yes")


async def _follow(
    event: Event, options: PublishOptions, dsn: str, *, moves_open: bool, is_repeated: bool
) -> None:
    if not options.as_json:
        again = "again, which changes nothing" if is_repeated else "to every lane"
        out.print(Text(f"{event.version} is published {again}."), soft_wrap=True)
    done: Progress | None = None
    if moves_open:
        _remark("Ctrl-C leaves the recompute going on in the stage; the same command follows it.")
        with Screen("Recomputing", None, as_json=options.as_json) as screen:
            async with stage_pool(dsn, STAGE) as pool:
                done = await follow(pool, event.version, screen)
    if options.as_json:
        asked = done.asked if done else 0
        write_json({"version": event.version, "published": True, "recomputed": asked})
    elif done:
        out.print(Text(f"Reports asked to reckon again: {done.asked:,}."), soft_wrap=True)
    else:
        out.print("Open reports keep the dates that they were promised.")


def _remark(text: str) -> None:
    err.print(Text(text, style="dim"), soft_wrap=True)


# ---- for people


def about(event: Event) -> list[str]:
    """Say what a change is."""
    if isinstance(event, PolicyChanged):
        lines = [f"{event.version}: limits of {event.institution} from {event.valid_from}"]
        return lines + [
            f"  {name} = {term.amount} {term.unit.replace('_', ' ')}"
            for name, term in event.limits.items()
        ]
    lines = [f"{event.version}: {event.decree}"]
    if event.decides:
        lines.append(f"  decides {', '.join(map(str, event.decides))}")
    lines += [f"  + {day:%a %Y-%m-%d}  {kind}  {name}" for day, kind, name in event.add]
    lines += [f"  - {day:%a %Y-%m-%d}" for day in event.remove]
    return lines


def verdict(effect: Preview, *, moves_open: bool) -> list[str]:
    """Say what a change would do to what is open."""
    if not moves_open:
        return ["Open reports keep the dates that they were promised (or add --apply-to-open)."]
    if not effect.moves and not effect.withdrawn:
        return [f"No deadline would move. Open reports: {effect.open:,}."]
    of = f"reports: {effect.reports:,} of the {effect.open:,} open"
    lines = [
        f"Deadlines that would move: {effect.moves:,} ({of})",
        *(f"  {_shift(by):>12}  {count:,}" for by, count in sorted(effect.by.items())),
        f"Breaches that would be withdrawn: {effect.withdrawn:,}; appear: {effect.appearing:,}.",
    ]
    names, rows = Names(), [("REPORT", "CLOCK", "NOW", "THEN")]
    for move in effect.first:
        zone = names.zone(move.institution)
        before, after = deadline(move.before, zone), deadline(move.after, zone)
        rows.append((move.report_id, move.clock, before, after))
    lines += columns(rows)
    if effect.moves > len(effect.first):
        lines.append(f"… and {effect.moves - len(effect.first):,} more")
    return lines


def _shift(by: timedelta) -> str:
    days = by / timedelta(days=1)
    return f"{days:+.4g} day{'' if abs(days) == 1 else 's'}"
