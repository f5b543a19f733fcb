"""Be the institution 6308: print its inbox, and accept each report. Ctrl-C ends it."""

import asyncio
import json
import os

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

READING = {"group_id": "agency-6308", "auto_offset_reset": "earliest", "enable_auto_commit": False}
TYPE = ("ce_type", b"id.go.lapor.agency.accept.v1")
HEADERS = [TYPE, ("ce_source", b"/agencies/6308"), ("ce_specversion", b"1.0")]


async def main(kafka: str) -> None:
    """Read the inbox, answer in the outbox, and only then call an entry done."""
    outbox = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    inbox = AIOKafkaConsumer("lapor.agency.6308.inbox.v1", bootstrap_servers=kafka, **READING)
    async with outbox, inbox:
        async for record in inbox:
            print(entry := json.loads(record.value), flush=True)
            if entry["entry"] == "report_to_verify":  # here your officers' work begins
                about = {"by": "petugas-1"} | {key: entry[key] for key in ("report_id", "holding")}
                value = json.dumps({**about, "report_class": "Permintaan Informasi"}).encode()
                # Of the entry's id: an entry read twice gives the same command, which counts once.
                headers = [*HEADERS, ("ce_id", b"to-" + dict(record.headers)["ce_id"])]
                await outbox.send_and_wait("lapor.agency.6308.outbox.v1", value, headers=headers)
            await inbox.commit()


asyncio.run(main(os.environ.get("LAPOR_KAFKA", "127.0.0.1:9092")))
