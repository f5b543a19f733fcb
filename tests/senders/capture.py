"""`python -m tests.senders.capture`: write `tests/golden/batches` anew, by a Java client.

Needs a `javac`; the client's jars are those of the local stack.
"""

import asyncio
import os
import struct
import subprocess
import tempfile

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.jars import fetch_jars, read_lock
from deploy.local.paths import default_cache
from tests.integration.stack import Stack, running_stack
from tests.senders.golden import FOLDER, NAMES, path_of


def first_batch(segment: bytes) -> bytes:
    """Return the first batch of a log, as its sender sent it."""
    (length,) = struct.unpack_from(">i", segment, 8)
    batch = segment[: 12 + length]
    return struct.pack(">qii", 0, length, -1) + batch[16:]


async def _make_topics(stack: Stack) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    configs = {"message.timestamp.type": "CreateTime"}
    try:
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=configs) for name in NAMES])
    finally:
        await admin.close()


def main() -> None:
    """Compile the sender, let it send, copy what lies in the logs."""
    jars = os.pathsep.join(map(str, fetch_jars(default_cache(), read_lock())))
    with running_stack() as stack, tempfile.TemporaryDirectory() as classes:
        asyncio.run(_make_topics(stack))
        compile_it = ["javac", "-cp", jars, "-d", classes, str(FOLDER / "Sender.java")]
        subprocess.run(compile_it, check=True)
        path = os.pathsep.join((classes, jars))
        subprocess.run(["java", "-cp", path, "Sender", stack.kafka, *NAMES], check=True)
        for name in NAMES:
            segment = stack.log_of(name).read_bytes()
            path_of(name).write_bytes(first_batch(segment))


if __name__ == "__main__":
    main()
