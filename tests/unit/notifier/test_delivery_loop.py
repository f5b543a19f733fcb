"""What the delivery loop does with one job: without broker or database, with senders that obey."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
import structlog
from aiokafka.errors import KafkaConnectionError

from services.notifier.attempt import LINGER_SECONDS, Reports, report
from services.notifier.delivery_loop import DeliveryLoop, Job
from services.notifier.senders import SENT, temporary
from services.notifier.settings import NotifierSettings
from shared.contract.envelope import Outbound
from shared.contract.events import DeliveryReported
from shared.platform.clock import Clock
from shared.runtime.metrics import Meters
from shared.runtime.stage import Resources
from shared.vault.crypto import Vault
from tests.unit.notifier.builders import KEY, NOON, REPORT
from tests.unit.notifier.test_attempt import PENDING, Box

VAULT = Vault(bytes(32))


class Broker:
    """Takes what is published, but for the first so many times."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.asked: list[list[Outbound]] = []
        self.got: list[Outbound] = []

    async def publish(self, outbounds: Sequence[Outbound]) -> None:
        """Take or refuse."""
        self.asked.append(list(outbounds))
        if len(self.asked) <= self.refusals:
            raise KafkaConnectionError
        self.got += outbounds


def a_context(broker: Broker | None = None, clock: Clock | None = None) -> Resources:
    """Return what a loop may use, without a database."""
    return Resources(
        pool=cast("Any", None),
        log=cast("Any", broker or Broker()),
        clock=clock or Clock(),
        stopping=asyncio.Event(),
        logger=structlog.get_logger(),
        meters=Meters("notifier"),
    )


async def delivered(courier: DeliveryLoop, job: Job, context: Resources) -> list[DeliveryReported]:
    """Deliver a job; return what is reported of it."""
    await courier._deliver(courier._take(job), context)
    sent = courier._reports._unpublished
    return [DeliveryReported.model_validate_json(outbound.value) for outbound in sent]


def a_job(courier: DeliveryLoop, **values: Any) -> Job:
    """Return the e-mail of a report, with the bulkheads of e-mail."""
    return courier._with_bulkheads(Job(REPORT, "email", (PENDING,), NOON, key=KEY, **values))


async def test_a_message_is_reported_once_it_is_sent() -> None:
    """And nothing of it stays in hand."""
    box = Box()
    courier = DeliveryLoop(box.senders, VAULT, NotifierSettings())
    job = a_job(courier)
    (told,) = await delivered(courier, job, a_context())
    assert told.outcome == "sent"
    assert [bulkhead.in_hand for bulkhead in job.bulkheads] == [0]
    assert courier._in_hand == set()


@pytest.mark.parametrize(("days", "stale"), [(6, False), (8, True)])
def test_what_is_long_past_is_not_sent_any_more(days: int, stale: bool) -> None:  # noqa: FBT001
    """A replayed year must not write to a year of reporters."""
    courier = DeliveryLoop(Box().senders, VAULT, NotifierSettings())
    assert courier._is_stale(PENDING, NOON + timedelta(days=days), Clock()) is stale


async def test_what_is_stale_is_given_up_aloud() -> None:
    """Nothing is attempted."""
    box = Box()
    courier = DeliveryLoop(box.senders, VAULT, NotifierSettings())
    job = Job(REPORT, "email", (PENDING,), NOON, is_stale=True)
    (told,) = await delivered(courier, job, a_context())
    assert (told.outcome, told.reason, box.got) == ("permanent", "stale", [])


def test_the_age_of_a_message_is_real_time() -> None:
    """On a clock that runs a year in a minute a week is a second."""
    courier = DeliveryLoop(Box().senders, VAULT, NotifierSettings())
    clock = Clock(scale=300_000.0, real_origin=NOON, business_origin=NOON)
    assert not courier._is_stale(PENDING, NOON + timedelta(days=30), clock)


async def test_what_had_to_wait_too_long_fires_again_when_there_is_room() -> None:
    """It was no attempt: nothing is reported, no try is used up."""
    box = Box()
    courier = DeliveryLoop(box.senders, VAULT, NotifierSettings(again_after_seconds=1e-9))
    assert await delivered(courier, a_job(courier), a_context()) == []
    assert box.got == []
    assert set(courier._fire_times) == {REPORT}


async def test_a_sender_that_never_ends_is_ended() -> None:
    """Within half of the time after which another process may take the message."""

    async def never(_message: object) -> Any:
        await asyncio.Event().wait()

    courier = DeliveryLoop({"email": never}, VAULT, NotifierSettings(again_after_seconds=0.1))
    (told,) = await delivered(courier, a_job(courier), a_context())
    assert (told.outcome, told.reason) == ("temporary", "timeout")


async def test_while_a_way_is_closed_nothing_in_hand_is_tried() -> None:
    """What was taken in hand before it closed fires again."""
    box = Box(temporary("smtp_unreachable"))
    courier = DeliveryLoop(box.senders, VAULT, NotifierSettings())
    due = tuple(PENDING.model_copy(update={"notification_id": f"n-{n}"}) for n in range(40))
    sealed = tuple(
        p.model_copy(update={"message": KEY.seal(f"notification:{p.notification_id}", _TEXT)})
        for p in due
    )
    job = courier._with_bulkheads(Job(REPORT, "email", sealed, NOON, key=KEY))
    assert len(await delivered(courier, job, a_context())) == 5
    assert len(box.got) == 5


_TEXT = '{"to": "a@b.example", "subject": "s", "body": "b"}'


async def test_a_bug_in_a_delivery_ends_the_loop() -> None:
    """Not that message alone, silently and again every two minutes: the process starts anew."""
    courier = DeliveryLoop(Box().senders, VAULT, NotifierSettings())
    broken = Job(REPORT, "email", cast("Any", (None,)), NOON, is_stale=True)
    task = asyncio.create_task(courier._deliver(broken, a_context()))
    task.add_done_callback(courier._ended)
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert [type(bug) for bug in courier._bugs] == [AttributeError]


async def test_while_the_broker_is_away_nothing_is_delivered_twice() -> None:
    """What was delivered waits to be reported, and its report is published again as it was."""
    broker, reports = Broker(refusals=2), Reports(away_seconds=0.01)
    context = a_context(broker)
    reports.add(PENDING, report(REPORT, PENDING, SENT, NOON))
    publishing = asyncio.create_task(reports.publish(context))
    async with asyncio.timeout(10):
        while not broker.got:
            assert reports.hold(PENDING)
            await asyncio.sleep(LINGER_SECONDS)
    publishing.cancel()
    assert broker.asked == [broker.got] * 3
    assert reports.hold(PENDING)  # until the rule has decided it
    assert not reports.hold(PENDING.model_copy(update={"attempts": 1}))
    assert reports.has_room
