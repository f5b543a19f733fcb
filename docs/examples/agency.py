"""Be the institution 6308: accept each report, and let its unit follow up. Ends with Ctrl-C."""

import asyncio
import contextlib
import json
import os
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

KAFKA = os.environ.get("LAPOR_KAFKA", "127.0.0.1:9092")
OURS = "lapor.agency.6308"  # an institution's two topics, given to it alone


def reply(entry: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Decide what to answer: here your officers' work begins."""
    if entry["entry"] == "report_to_verify":
        suggested = entry["report"].get("report_class")
        return "accept", {"report_class": suggested or "Pengaduan Tidak Berkadar Pengawasan"}
    if entry["entry"] == "dispatched":
        return "follow-up", {"unit": entry["unit"], "text": "Sudah diperbaiki. Terima kasih."}
    return None


async def main() -> None:
    """Read the inbox, answer in the outbox, and only then call an entry done."""
    outbox = AIOKafkaProducer(bootstrap_servers=KAFKA, acks="all", enable_idempotence=True)
    inbox = AIOKafkaConsumer(
        f"{OURS}.inbox.v1",
        bootstrap_servers=KAFKA,
        group_id="agency-6308",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with outbox, inbox:
        async for record in inbox:
            entry = json.loads(record.value)
            print(json.dumps(entry), flush=True)
            if answer := reply(entry):
                command, fields = answer
                about = {"report_id": entry["report_id"], "holding": entry["holding"]}
                value = json.dumps({**about, "by": "petugas-1", **fields}).encode()
                # Of the entry's id: an entry read twice gives the same command, which counts once.
                message_id = b"to-" + dict(record.headers)["ce_id"]
                headers = [
                    ("ce_specversion", b"1.0"),
                    ("ce_id", message_id),
                    ("ce_type", f"id.go.lapor.agency.{command}.v1".encode()),
                    ("ce_source", b"/agencies/6308"),
                    ("correlationid", message_id),  # comes back on all that it causes
                ]
                await outbox.send_and_wait(f"{OURS}.outbox.v1", value, headers=headers)
            await inbox.commit()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
