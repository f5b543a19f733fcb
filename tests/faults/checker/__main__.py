"""`python -m tests.faults.checker --kafka HOST:PORT --postgres URL [--intended FILE]`.

Exit code 0: nothing is wrong; 1: something is, the first 20 of each kind are printed; 2: it could
not look.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from rich.console import Console

from tests.faults.checker.event_index import EventIndex
from tests.faults.checker.findings import Findings
from tests.faults.checker.reading import places, reader, records, tables
from tests.faults.checker.rules import Look, check
from tests.faults.checker.snapshot import Intended

LOOKS_MAX = 10


async def look(
    kafka: str, postgres: str, intended: Intended, *, still_seconds: float, grace_seconds: float
) -> Findings:
    """Read everything and check it; look again while something is wrong or was never still.

    Each report is judged as it was when it last stood still: clocks may go on meanwhile.
    """
    world, verdict = EventIndex(intended), Findings()
    unsettled: set[str] | None = None
    every, consumer = await places(kafka), reader(kafka)
    await consumer.start()
    try:
        for number in range(LOOKS_MAX):
            if number:
                await asyncio.sleep(still_seconds)
            now_ms = int(time.time() * 1000)
            rows = await tables(postgres)
            async for record in records(consumer, every, world.ends):
                world.take(record)
            moment = Look(world, rows, now_ms, int(still_seconds * 1000), int(grace_seconds * 1000))
            moving = moment.moving
            verdict = check(moment).but(moving, verdict)
            unsettled = set(moving) if unsettled is None else unsettled & moving
            verdict.counts["unsettled"] = len(unsettled)
            if verdict.is_sound and not unsettled:
                break
        for report in sorted(unsettled or ()):
            verdict.add("never_still", report, "something was said of it at every look")
        return verdict
    finally:
        await consumer.stop()


def main() -> int:
    """Look, print the counts and what is wrong, and say so by the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kafka", required=True, help="host:port")
    arguments.add_argument("--postgres", required=True, help="URL, user and password included")
    arguments.add_argument("--intended", type=Path, help="what was done to the pipeline on purpose")
    arguments.add_argument("--json", type=Path, help="write the counts and violations there")
    arguments.add_argument("--still-seconds", type=float, default=3.0)
    arguments.add_argument("--grace-seconds", type=float, default=60.0)
    chosen = arguments.parse_args()
    intended = Intended.read(chosen.intended) if chosen.intended else Intended()
    found = asyncio.run(
        look(
            chosen.kafka,
            chosen.postgres,
            intended,
            still_seconds=chosen.still_seconds,
            grace_seconds=chosen.grace_seconds,
        )
    )
    found.show(Console(width=120))
    if chosen.json:
        chosen.json.write_text(found.as_json() + "\n")
    return 0 if found.is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
