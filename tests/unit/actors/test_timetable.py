"""Acts happen at their business time, and a failure is told."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from deploy.actors.timetable import Timetable
from shared.platform.clock import Clock


async def test_an_act_that_fails_ends_the_wait_of_whoever_waits() -> None:
    """A failed act must not pass in silence."""

    async def fail() -> None:
        raise ValueError("no broker")

    timetable = Timetable(Clock())
    timetable.at(datetime.now(UTC), fail)
    with pytest.raises(ValueError, match="no broker"):
        await timetable.race(asyncio.sleep(5))
    await timetable.close()


async def test_acts_happen_in_the_order_of_their_time_on_the_scaled_clock() -> None:
    """A day is a tenth of a second here; what is past happens at once."""
    now = datetime.now(UTC)
    clock = Clock(864_000.0, now, datetime(2023, 1, 1, tzinfo=UTC))
    timetable, done = Timetable(clock), list[str]()

    async def note(what: str) -> None:
        done.append(what)

    timetable.at(datetime(2023, 1, 2, tzinfo=UTC), lambda: note("second"))
    timetable.at(datetime(2022, 1, 2, tzinfo=UTC), lambda: note("first"))
    while timetable.pending:
        await timetable.race(asyncio.sleep(0.01))

    assert done == ["first", "second"]
    assert clock.now() >= datetime(2023, 1, 2, tzinfo=UTC)
    await timetable.close()


async def test_a_closed_timetable_forgets_what_is_to_come() -> None:
    """After the end nobody acts any more."""
    timetable, done = Timetable(Clock()), list[str]()

    async def note() -> None:
        done.append("late")

    timetable.at(datetime.now(UTC) + timedelta(seconds=0.05), note)
    await timetable.close()
    timetable.at(datetime.now(UTC), note)
    await asyncio.sleep(0.1)

    assert not done
