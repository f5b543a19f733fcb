"""A channel's or institution's topic that is missing or refuses holds up nobody else."""

import asyncio

import asyncpg
import pytest

from shared.contract.events import CommandRefused
from shared.contract.topics import ANSWERS, INBOX, ROUTING
from tests.faults import acl_faults
from tests.integration.channels import channel_of, create_topic, delete_topic
from tests.integration.stack import Stack
from tests.integration.workers import fresh, header, read, send, wait_until, worker

INTAKE = "services.intake.app:build"


async def held(stack: Stack, schema: str) -> int:
    """Return how many events a stage holds."""
    connection = await asyncpg.connect(stack.postgres)
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {schema}.held"))
    finally:
        await connection.close()


@pytest.mark.integration
async def test_an_outsider_cannot_stop_intake_by_a_missing_answers_topic(stack: Stack) -> None:
    """d4: that channel waits, loudly, also over a kill; others are answered; nothing is lost."""
    await fresh(stack)
    missing = ANSWERS.topic("api")
    async with channel_of(stack, "website") as other:
        async with channel_of(stack, "api") as lame:
            await delete_topic(stack, missing)
            with worker(stack, INTAKE, {"LAPOR_INSTANCE": "intake"}) as intake:
                await other.ask()  # not ready: a topic of the registry is missing
                sent = [await lame.send() for _ in range(3)]
                assert await other.ask() < 5
                await asyncio.to_thread(
                    wait_until,
                    lambda: intake.metric('lapor_held_records{stage="intake"}') > 0,
                    "it is told",
                )
                assert max(await other.asks(5)) < 5
                assert missing in intake.log.read_text()
                intake.kill()
        with worker(stack, INTAKE, {"LAPOR_INSTANCE": "intake"}) as intake:
            await other.ask()
            assert max(await other.asks(3)) < 5
            assert await held(stack, "intake") > 0
            await create_topic(stack, missing)
            answers = await read(stack, missing, lambda found: len(found) >= len(sent))
            assert await held(stack, "intake") == 0
            ids = [dict(record.headers)["ce_id"] for record in answers]
    assert len(ids) == len(set(ids)) == len(sent)


def refused(report_id: str, institution: str, number: int) -> tuple[str, str, CommandRefused]:
    """Return what makes agencies.out write to an institution's inbox."""
    event = CommandRefused(
        report_id=report_id, institution=institution, message_id=str(number), refused="1",
        command="Dispatch", holding=1, reason="already_dispatched",
    )  # fmt: skip
    return f"{institution}-{number}", report_id, event


@pytest.mark.integration
async def test_an_inbox_that_refuses_waits_and_the_others_are_written(stack: Stack) -> None:
    """Both institutions' events are in one lane; what was refused comes later, in its order."""
    await fresh(stack)
    shut, open_ = INBOX.topic("3204"), INBOX.topic("6308")
    report = "K7QF2M9XTD3A"
    both = [refused(report, code, n) for n in range(5) for code in ("3204", "6308")]
    env = {"LAPOR_INSTANCE": "agencies.out"}
    with worker(stack, "services.agencies.app:build", env) as out:
        await asyncio.to_thread(out.wait_ready)
        await acl_faults.revoke(stack.kafka, shut, acl_faults.WRITE_TO_TOPIC)
        await send(stack, ROUTING, both[:6])
        await read(stack, open_, lambda found: len(found) == 3)
        await asyncio.to_thread(
            wait_until,
            lambda: out.metric('lapor_held_records{stage="agencies.out"}') == 3,
            "it is told",
        )
        await acl_faults.restore(stack.kafka, shut, acl_faults.WRITE_TO_TOPIC)
        await send(stack, ROUTING, both[6:])
        found = await read(stack, shut, lambda found: len(found) == 5)
        assert len(await read(stack, open_, lambda found: len(found) == 5)) == 5
    assert [int(header(record, "causationid").split("-")[1]) for record in found] == [*range(5)]
