"""Hand in one report as the channel `api`, and print the answer to it."""

import asyncio
import json
import os

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

READING = {"group_id": "channel-api", "auto_offset_reset": "earliest"}
ID = b"ticket-2041"  # your own id of the report: sent twice, it is one report
BODY = "Lampu jalan di depan pasar Amuntai mati sejak seminggu lalu."
REPORT = {"title": "Lampu jalan mati", "body": BODY, "reporter": {"sender_id": "akun-17"}}
TYPE = ("ce_type", b"id.go.lapor.channel.submit-report.v1")
HEADERS = [("ce_id", ID), TYPE, ("ce_source", b"/channels/api"), ("ce_specversion", b"1.0")]


async def main(kafka: str) -> None:
    """Send, then read the answers until the one to this report."""
    out = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    answers = AIOKafkaConsumer("lapor.channel.api.answers.v1", bootstrap_servers=kafka, **READING)
    async with out, answers:
        value = json.dumps(REPORT).encode()
        await out.send_and_wait("lapor.channel.api.submissions.v1", value, headers=HEADERS)
        ours = (a.value async for a in answers if json.loads(a.value)["message_id"] == ID.decode())
        print((await anext(ours)).decode())  # outcome, tracking_number, secret; or reason, detail


asyncio.run(main(os.environ.get("LAPOR_KAFKA", "127.0.0.1:9092")))
