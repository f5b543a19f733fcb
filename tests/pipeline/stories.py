"""Beginnings that many journeys share; each returns the report's id when all stages have read."""

from typing import Any

from shared.contract import events as e
from shared.contract.topics import FOLLOW_UP, INSTITUTION, NATIONAL, ROUTING
from tests.pipeline.harness import Harness

DECIDING = (NATIONAL, INSTITUTION, ROUTING, FOLLOW_UP)
HSU, BANDUNG, ADMIN = "6308", "3204", "00"
UNCLEAR: dict[str, Any] = {
    "title": "Tolong dibantu",
    "body": "Sudah lama begini terus dan belum ada yang datang melihat ke tempat kami.",
    "institution": None,
    "category_id": None,
}


def forwarded(harness: Harness, **fields: Any) -> str:
    """Let a clear report reach HSU."""
    report = harness.submit(**fields)
    harness.run()
    assert harness.status(report).institution == "waiting"
    return report


def held(harness: Harness) -> str:
    """Let a report without address wait for the national admin."""
    report = harness.submit(**UNCLEAR)
    harness.run()
    assert harness.status(report).national == "waiting"
    return report


def dispatched(
    harness: Harness, report_class: str = e.ReportClass.UNSUPERVISED, **fields: Any
) -> str:
    """Let a report reach HSU's transport unit, 6308-004."""
    report = forwarded(harness, **fields)
    send(harness, HSU, e.Accept, report, report_class=report_class)
    assert harness.status(report).follow_up == "waiting"
    return report


def followed_up(harness: Harness) -> str:
    """Let the unit follow up."""
    report = dispatched(harness)
    send(harness, HSU, e.FollowUp, report, text="Lampu sudah kami ganti.")
    assert harness.status(report).follow_up == "followed_up"
    return report


def send(harness: Harness, code: str, command: type[e.Command], report: str, **fields: Any) -> str:
    """Send a command and let all stages read; return its message id."""
    message_id = harness.agency(code).send(command, report, **fields)
    harness.run()
    return message_id


def write(harness: Harness, message: type[e.ReporterMessage], report: str, **fields: Any) -> str:
    """Write as the reporter and let all stages read; return the message id."""
    message_id = harness.write(message, report, **fields)
    harness.run()
    return message_id


def outcome(harness: Harness, message_id: str, channel: str = "website") -> str:
    """Return the one answer to a reporter's message: the outcome, and the reason of a no."""
    (answer,) = [a for a in harness.answers(channel) if a.message_id == message_id]
    return f"{answer.outcome}:{answer.reason}" if answer.reason else answer.outcome


def letters(harness: Harness, report: str, person: str = "reporter") -> list[str]:
    """Return the templates of what a person was sent about a report, sorted."""
    asked = harness.of(e.NotificationRequested, report)
    sent = {letter.notification_id for letter in harness.letters}
    return sorted(n.template for n in asked if n.person == person and n.notification_id in sent)
