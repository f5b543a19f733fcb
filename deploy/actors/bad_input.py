"""Commands that no institution may give, each with the reason it has to be answered with."""

import json
from collections.abc import Sequence

from deploy.actors.channel_client import BadInput
from deploy.actors.kafka import OutgoingRecord, headers_of
from deploy.actors.script import BANDUNG, HSU, ReportScript
from shared.contract.events import Accept, Command, Forward, InitialResponse
from shared.contract.topics import OUTBOX


def bad_commands(of: Sequence[ReportScript]) -> tuple[BadInput, ...]:
    """Return one of each kind of command that has to be turned away, by name."""
    # Its first holding is the right one: the reason does not depend on the course of things.
    theirs = next((life for life in of if life.owner == life.addressed == BANDUNG), None)
    if theirs is None:
        return ()
    report = {"report_id": theirs.report_id, "holding": 1, "by": "petugas-2"}
    accept = {**report, "report_class": theirs.report_class.value}
    first = {**report, "text": "Sedang kami periksa."}
    nobody = {**first, "report_id": "0" * 12, "unit": f"{BANDUNG}-001"}
    return (
        _bad(HSU, "laporan-orang-lain", "not_the_holder", Accept, accept),
        _bad(BANDUNG, "hanya-nasional", "not_yours_to_give", Forward, {**report, "to": HSU}),
        _bad(BANDUNG, "laporan-tak-ada", "not_the_holder", InitialResponse, nobody),
        _bad(HSU, "unit-orang-lain", "not_your_unit", InitialResponse,
             {**first, "unit": f"{BANDUNG}-001"}),
        _bad(BANDUNG, "angka-negatif", "invalid_fields", Accept, {**accept, "holding": -1}),
        BadInput(
            OutgoingRecord(OUTBOX.topic(BANDUNG), "surat-tidak-terbaca", b"bukan json",
                   headers_of(OUTBOX.type_of(Accept), "surat-tidak-terbaca", "/demo/3204")),
            "not_json",
        ),
    )  # fmt: skip


def _bad(
    sender: str, name: str, reason: str, command: type[Command], fields: dict[str, object]
) -> BadInput:
    message_id = f"surat-{name}"
    headers = headers_of(OUTBOX.type_of(command), message_id, f"/demo/{sender}")
    value = json.dumps(fields).encode()
    return BadInput(OutgoingRecord(OUTBOX.topic(sender), message_id, value, headers), reason)
