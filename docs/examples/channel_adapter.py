"""Hand in one report as the channel `api`, and print the answer to it."""

import asyncio
import json
import os

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

KAFKA = os.environ.get("LAPOR_KAFKA", "127.0.0.1:9092")
OURS = "lapor.channel.api"  # a channel's two topics, given to it alone
MESSAGE_ID = "ticket-2041"  # your own id of the report: sent twice, it is one report
REPORT = {
    "title": "Lampu jalan mati",
    "body": "Lampu jalan di depan pasar Amuntai mati sejak seminggu lalu.",
    "reporter": {"sender_id": "akun-17", "email": "warga@contoh.example"},
}


async def main() -> None:
    """Send, then read the answers until it is ours."""
    producer = AIOKafkaProducer(bootstrap_servers=KAFKA, acks="all", enable_idempotence=True)
    answers = AIOKafkaConsumer(
        f"{OURS}.answers.v1",
        bootstrap_servers=KAFKA,
        group_id="channel-api",  # so that no answer is missed while this program is down
        auto_offset_reset="earliest",
    )
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", MESSAGE_ID.encode()),
        ("ce_type", b"id.go.lapor.channel.submit-report.v1"),
        ("ce_source", b"/channels/api"),
    ]
    async with producer, answers:
        value = json.dumps(REPORT).encode()
        await producer.send_and_wait(f"{OURS}.submissions.v1", value, headers=headers)
        async for record in answers:
            answer = json.loads(record.value)
            if answer["message_id"] == MESSAGE_ID:
                print(json.dumps(answer))  # outcome, tracking_number, secret; or reason, detail
                return


if __name__ == "__main__":
    asyncio.run(main())
