"""Put a message into the outbox folder, for whoever hands it on (SMS, a counter, an account)."""

import asyncio
import json
import os
from pathlib import Path

from services.notifier.senders import SENT, Message, Outcome, temporary
from services.notifier.settings import NotifierSettings


async def send(message: Message, settings: NotifierSettings) -> Outcome:
    """Write `<notification_id>.json` whole or not at all; a repeat replaces it with the same.

    A full or missing disk is temporary.
    """
    try:
        await asyncio.to_thread(_write, message, settings.outbox)
    except OSError:
        return temporary("outbox_unwritable")
    return SENT


def _write(message: Message, folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    final = folder / f"{message.notification_id}.json"
    # Two processes may deliver the same message; their numbers keep the halves apart.
    partial = folder / f".{message.notification_id}.{os.getpid()}"
    text = json.dumps(message._asdict(), ensure_ascii=False, indent=2) + "\n"
    # Readable by the owner only: it names a person.
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text.encode("utf-8", "replace"))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(final)
