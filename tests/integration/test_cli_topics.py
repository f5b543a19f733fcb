"""`lapor topics` on a real broker whose topics are not as the table says."""

import asyncio
import json
import os

import pytest
from aiokafka.admin import NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.integration.all_stages import Ran, looked
from tests.integration.stack import Stack
from tests.integration.workers import administrator, fresh, wait_until

pytestmark = pytest.mark.integration


def lapor(stack: Stack, *arguments: str) -> Ran:
    """Run a command about the topics of a broker."""
    return looked("topics", *arguments, env={**os.environ, "LAPOR_KAFKA": stack.kafka})


def test_drift_is_shown_mended_and_told_where_it_cannot_be(stack: Stack) -> None:
    """Apply twice does nothing the second time; a partition too many stays, with exit 1."""
    asyncio.run(fresh(stack))
    assert lapor(stack, "diff").code == 0
    assert "Nothing to do" in lapor(stack, "apply").out
    asyncio.run(_drift(stack))

    def is_seen() -> bool:
        return len(json.loads(lapor(stack, "diff", "--json").out)) >= 3

    wait_until(is_seen, "the drift is seen")
    assert lapor(stack, "diff").code == 1
    mended = lapor(stack, "apply")
    assert mended.code == 1
    assert "made    lapor.channel.sms-1708.answers.v1" in mended.out
    assert (
        "mended  lapor.channel.android.answers.v1  segment.ms: 604800000 → 86400000" in mended.out
    )
    assert "mended  lapor.channel.android.answers.v1  retention.ms: 1000 → 604800000" in mended.out
    left = lapor(stack, "apply", "--json")
    assert left.code == 1
    document = json.loads(left.out)
    assert document["done"] == []
    assert [(d["topic"], d["what"], d["now"]) for d in document["left"]] == [
        ("lapor.channel.ios.answers.v1", "partitions", "2")
    ]


async def _drift(stack: Stack) -> None:
    async with administrator(stack) as admin:
        await admin.delete_topics(["lapor.channel.sms-1708.answers.v1"])
        await admin.create_partitions({"lapor.channel.ios.answers.v1": NewPartitions(2)})
        other = {"retention.ms": "1000", "max.message.bytes": "1310720",
                 "cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}  # fmt: skip
        topic = "lapor.channel.android.answers.v1"
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, other)])


def test_a_topic_of_no_registry_is_named_and_left_alone(stack: Stack) -> None:
    """Whoever may make topics cannot keep `apply`, and with it a start, from going through."""
    asyncio.run(fresh(stack))
    evil = ["lapor.channel.evil.submissions.v1", "lapor.agency.9999.outbox.v1", "lapor.old.v1"]
    asyncio.run(_make(stack, *evil, "elsewhere.v1"))

    def named() -> list[tuple[str, str, bool]]:
        document = json.loads(lapor(stack, "diff", "--json").out)
        return [(d["topic"], d["what"], d["can_be_mended"]) for d in document]

    wait_until(lambda: len(named()) == len(evil), "all are named")
    assert named() == [(topic, "unknown", False) for topic in sorted(evil)]
    told = lapor(stack, "diff")
    assert told.code == 1
    assert "no stage reads it" in told.err.replace("\n", " ")
    assert "lapor topics apply" not in told.err
    applied = lapor(stack, "apply")
    assert (applied.code, "Nothing to do" in applied.out) == (0, True)


def test_a_topic_of_a_registered_channel_that_is_missing_is_named(stack: Stack) -> None:
    """Without its answers topic a channel's submissions could not be answered."""
    asyncio.run(fresh(stack))
    asyncio.run(_delete(stack, "lapor.channel.android.answers.v1"))
    wait_until(lambda: lapor(stack, "diff").code == 1, "it is seen")
    (drift,) = json.loads(lapor(stack, "diff", "--json").out)
    assert (drift["topic"], drift["what"]) == ("lapor.channel.android.answers.v1", "topic")


async def _make(stack: Stack, *topics: str) -> None:
    async with administrator(stack) as admin:
        await admin.create_topics([NewTopic(topic, 1, 1) for topic in topics])


async def _delete(stack: Stack, topic: str) -> None:
    async with administrator(stack) as admin:
        await admin.delete_topics([topic])
