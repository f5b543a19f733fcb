"""Put messages into the outbox folder, for whoever hands them on (SMS, a counter, an account).

Messages that are sent together share a file: made safe one by one, a folder's files were two fifths
of the notifier's work (docs/benchmarks.md).
"""

import asyncio
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.notifier.senders import SENT, Message, Outcome, temporary

UNWRITTEN: Final = temporary("outbox_unwritten")


@dataclass(eq=False, slots=True)
class _Batch:
    """Messages of one file, and what became of it: nothing, if whoever wrote it was cut short."""

    messages: list[Message] = field(default_factory=list)
    outcome: Outcome = UNWRITTEN


class Outbox:
    """The folder: files of one JSON object per line, one line per message.

    A file appears whole, and is on the disk before any of its messages counts as sent. Its name is
    made of theirs: the same messages again, after a crash, replace it with the same.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = _Batch()
        self._writing = asyncio.Lock()
        # Of its own: what else waits in threads (a name that nobody resolves) holds up no file.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")

    async def send(self, message: Message) -> Outcome:
        """Write a message, with all that are sent in the same turn or while others are written.

        A full or missing disk is temporary.
        """
        batch = self._open
        batch.messages.append(message)
        await asyncio.sleep(0)  # who else sends in this turn
        async with self._writing:
            if batch is self._open:  # the first to come here writes for all
                self._open = _Batch()
                loop = asyncio.get_running_loop()
                batch.outcome = await loop.run_in_executor(
                    self._thread, _written, batch.messages, self._folder
                )
        return batch.outcome


def _written(messages: list[Message], folder: Path) -> Outcome:
    try:
        _write(messages, folder)
    except OSError:
        return temporary("outbox_unwritable")
    return SENT


def _line(message: Message) -> dict[str, str]:
    return {
        "notification_id": message.notification_id,
        "to": message.to,
        "subject": message.subject,
        "body": message.body,
    }


def _write(messages: list[Message], folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ids = "\n".join(message.notification_id for message in messages)
    name = hashlib.blake2b(ids.encode(), digest_size=16).hexdigest()
    # Two processes may deliver the same messages; their numbers keep the halves apart.
    partial = folder / f".{name}.{os.getpid()}"
    text = "".join(json.dumps(_line(m), ensure_ascii=False) + "\n" for m in messages)
    # Readable by the owner only: it names people.
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text.encode("utf-8", "replace"))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / f"{name}.jsonl")
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)  # the name, too
    finally:
        os.close(place)
