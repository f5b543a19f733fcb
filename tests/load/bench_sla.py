"""`make bench-sla`: what time costs, each figure beside a baseline of the same run, as ratios.

A benchmark, not a test: it prints and asserts nothing. One function per part; a part returns its
results, and `PARTS` names them for `--only`.
"""

import argparse
import json
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from deploy.cli.commands.deadline import Answering, written
from deploy.cli.compute import RequestReader, Timetables, compute
from shared.registry import load
from shared.worktime.working_days import Calendar
from tests.load.bench_sla_due import due_at_once, the_day_beside
from tests.load.bench_sla_recompute import recompute
from tests.load.bench_sla_tick import tick
from tests.load.results import Result, machine, out, show, write

ROUNDS: Final = 3
GOAL_PER_SECOND: Final = 100_000
FIRST_DAY: Final = date(2024, 1, 1)
CHUNK_LINES: Final = 500  # about 64 KiB
LIMITS: Final = (3, 5, 10, 14, 60)  # working days, as the clocks have them
INSTITUTION: Final = "6308"


# ---- deadlines computed per second and core


def deadlines_per_second(scale: float) -> Iterator[Result]:
    """Measure working-day deadlines in CPU time: read requests, objects, the command's lines."""
    count = int(60_000 * scale)
    fields = [_request(n) for n in range(count)]
    lines = [json.dumps(given).encode() for given in fields]
    reader, answering = RequestReader(Timetables(load)), Answering()
    requests = [reader.read(given) for given in fields]
    calendar = load().calendar(INSTITUTION, date.max)
    off = {day.on for day in calendar.days_off}

    naive = _rate(walked(calendar, off, *_start_of(n)) for n in range(count // 10))
    beside = f"day by day: {naive:,.0f}; wanted: {GOAL_PER_SECOND:,}"
    works: tuple[tuple[str, Callable[[], float]], ...] = (
        ("requests read before", lambda: _rate(map(compute, requests))),
        ("requests as objects", lambda: _rate(map(reader.answer, fields))),
        ("lines of JSON, in and out", lambda: _rate(_answered(answering, lines))),
    )
    for what, work in works:
        rate = max(work() for _ in range(ROUNDS))
        yield Result(f"compute: {what}", rate, "deadlines/s and core", beside, rate / naive)


def walked(calendar: Calendar, off: Collection[date], start: date, days: int) -> datetime:
    """Return a deadline as a first draft does it: look at each day until enough counted."""
    day = start
    while days:
        day += timedelta(days=1)
        if day.weekday() in calendar.working_week and day not in off:
            days -= 1
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time())
    return midnight.replace(tzinfo=calendar.zone).astimezone(UTC)


def _start_of(n: int) -> tuple[date, int]:
    return FIRST_DAY + timedelta(days=n % 700), LIMITS[n % len(LIMITS)]


def _request(n: int) -> dict[str, Any]:
    start, days = _start_of(n)
    return {
        "id": n, "institution": INSTITUTION, "op": "add_working_days",
        "start": start.isoformat(), "days": days,
    }  # fmt: skip


def _answered(answering: Answering, lines: Sequence[bytes]) -> Iterator[str]:
    """Answer lines as the command does, by chunks that it would read at once."""
    for first in range(0, len(lines), CHUNK_LINES):
        mine = lines[first : first + CHUNK_LINES]
        answers = [answering.answer(number, line) for number, line in enumerate(mine)]
        yield from written(answers).removesuffix("\n").split("\n")


def _rate(work: Iterable[object]) -> float:
    """Return results per second of this process's CPU time: what others do does not count."""
    began = time.process_time()
    done = sum(1 for _ in work)
    return done / (time.process_time() - began)


# ---- all parts

Part = Callable[[float], Iterator[Result]]
PARTS: Final = MappingProxyType[str, Part](
    {
        "compute": deadlines_per_second,
        "tick": tick,
        "due": due_at_once,
        "beside": the_day_beside,
        "recompute": recompute,
    }
)


def main() -> None:
    """Run the parts named, or all; print, and write `--json FILE`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", type=Path, default=Path("bench-sla.json"))
    arguments.add_argument("--scale", type=float, default=1.0, help="share of the full counts")
    arguments.add_argument("--only", choices=tuple(PARTS), action="append")
    chosen = arguments.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # new topics have no leader at first
    described = machine()
    results: list[Result] = []
    for name in chosen.only or PARTS:
        out.print(f"{name} …")
        results += PARTS[name](chosen.scale)
    show(results, described)
    write(chosen.json, results, described)
    out.print(f"written to {chosen.json}")


if __name__ == "__main__":
    main()
