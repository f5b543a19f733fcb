"""A broker that says no: the stage waits, says why, and goes on once that is put right."""

import asyncio

import pytest

from deploy.cli.clients.topic_admin import apply
from shared.contract.topics import INSTITUTION, ROUTING
from shared.runtime.health.registry_watch import EX_TEMPFAIL
from tests.faults import acl_faults
from tests.faults.operator_faults import BYTES_MAX_LOWERED, take_at_most
from tests.integration.stack import Stack
from tests.integration.test_shell import check, said, some
from tests.integration.workers import fresh, send, wait_until, worker

pytestmark = pytest.mark.integration


async def test_a_record_that_the_broker_refuses_is_said_once_the_limit_is_put_right(
    stack: Stack,
) -> None:
    """The topic's limit is below any event for a while: nothing is skipped, the process lives."""
    await fresh(stack)
    sent = some(100, reports=10)
    with worker(stack) as process:
        process.wait_ready()
        await take_at_most(stack.kafka, ROUTING, BYTES_MAX_LOWERED)
        await send(stack, INSTITUTION, sent)
        await asyncio.to_thread(
            wait_until,
            lambda: process.log.read_text().count("MessageSizeTooLargeError") > 2,
            "refused and tried again",
        )
        assert process.page("/livez")[0] == 200
        assert process.page("/readyz")[0] == 503
        (drift,) = await apply(stack.kafka)
        assert drift.what == "max.message.bytes"
        check(sent, await said(stack, sent))


async def test_a_stage_without_the_right_to_its_group_goes_on_once_it_has_it_back(
    stack: Stack,
) -> None:
    """Taken away with work coming: it says so, loses and doubles nothing."""
    await fresh(stack)
    sent = some(300, reports=20)
    with worker(stack) as process:
        await send(stack, INSTITUTION, sent[:100])
        await said(stack, sent[:100])
        await acl_faults.revoke(stack.kafka, "lapor.routing")
        try:
            await send(stack, INSTITUTION, sent[100:])
            await asyncio.to_thread(
                wait_until,
                lambda: process.log.read_text().count("GroupAuthorizationFailedError") > 2,
                "it waits for the right",
            )
            assert process.process.poll() is None
        finally:
            await acl_faults.restore(stack.kafka, "lapor.routing")
        check(sent, await said(stack, sent))
        assert process.process.poll() is None


async def test_a_stage_that_cannot_start_ends_so_that_it_is_started_again(stack: Stack) -> None:
    """FastStream tells its server that all is well before it starts the consumer."""
    await fresh(stack)
    sent = some(50, reports=5)
    await send(stack, INSTITUTION, sent)
    await acl_faults.revoke(stack.kafka, "lapor.routing")
    try:
        with worker(stack) as process:
            assert await asyncio.to_thread(process.process.wait, 60) == EX_TEMPFAIL
            assert "GroupAuthorizationFailedError" in process.log.read_text()
    finally:
        await acl_faults.restore(stack.kafka, "lapor.routing")
    with worker(stack):
        check(sent, await said(stack, sent))
