"""An inbox entry as a person reads it."""

from typing import Any

import pytest

from deploy.cli.model.registry_names import Names
from deploy.cli.views.inbox import how, lines, next_commands
from shared.contract import events as e
from tests.support import builders as b

NAMES = Names()
VIEW = e.ReportView(
    tracking_number="K7QF-2M9X-TD3A-9", channel="web", submitted_at=b.NOON, title="Jalan rusak",
    body="Berlubang.\nBesar.", reporter="Warga", confidential=True, category_id="1397",
)  # fmt: skip


def an_entry(entry: str, **changes: Any) -> e.InboxEntry:
    """Return an entry to HSU in its first holding."""
    plain: dict[str, Any] = {"report_id": b.REPORT, "institution": b.HSU, "holding": 1}
    return e.InboxEntry(**(plain | {"entry": entry} | changes))


def test_a_report_is_shown_with_what_may_be_answered() -> None:
    """And with the command line that answers it."""
    shown = list(lines(an_entry("report_to_verify", report=VIEW), NAMES))
    assert "K7QF-2M9X-TD3A" in shown[0]
    assert "Jalan rusak" in shown
    assert "Berlubang. Besar." in shown
    assert "via web, category 1397 Jalan Berlubang, Warga, rahasia" in shown
    assert "→ answer with Accept or ReturnReport or AskForInformation or Archive" in shown
    assert shown[-1].endswith(
        f"lapor agency send 6308 Accept --report {b.REPORT} --holding 1 --report-class …"
    )


def test_a_final_holding_does_not_offer_a_return() -> None:
    """It would be refused with `return_limit`."""
    assert e.ReturnReport in next_commands(an_entry("report_to_verify"))
    assert e.ReturnReport not in next_commands(an_entry("report_to_verify", final=True))
    assert e.ReturnToInstitution not in next_commands(an_entry("dispatched", final=True))


def test_the_national_admin_is_offered_its_own_commands() -> None:
    """An institution may not forward, `00` may not accept."""
    received = an_entry("information_completed", institution="00", holding=0)
    assert next_commands(received)[0] is e.Forward
    assert next_commands(an_entry("information_completed"))[0] is e.Accept


def test_a_command_line_names_the_unit_that_has_the_report() -> None:
    """What is known is filled in."""
    said = how(an_entry("dispatched", unit=b.UNIT), e.FollowUp)
    assert said.endswith(f"--unit {b.UNIT} --text …")


def test_a_deadline_stands_in_the_institutions_zone() -> None:
    """With the clock it belongs to."""
    entry = an_entry("deadline_breached", clock="follow_up", deadline=b.at(60 * 12), level=2)
    (shown,) = lines(entry, NAMES)
    assert "follow_up by 2025-03-03 24:00 WITA" in shown
    assert "escalated to level 2" in shown


@pytest.mark.parametrize(
    ("entry", "fields", "words"),
    [
        ("forwarded", {"forwarded_to": b.HSU}, "to 6308 "),
        ("report_returned", {"proposed_owner": b.HSU}, "proposes 6308 "),
        ("unit_returned", {"proposed_unit": b.UNIT}, f"proposes {b.UNIT}"),
        ("duplicate_suspected", {"similar": (b.REPORT,)}, "reads like K7QF-2M9X-TD3A-9"),
        ("closed", {"closed_by": "system"}, "by the system"),
        ("reporter_closed", {"rating": 4, "solved": False}, "rated 4 of 5, not solved"),
        ("archived", {"reason": "no_evidence"}, "no_evidence"),
    ],
)
def test_an_entry_says_whom_and_what_it_names(
    entry: str, fields: dict[str, Any], words: str
) -> None:
    """By the names that people use."""
    assert words in next(lines(an_entry(entry, **fields), NAMES))


@pytest.mark.parametrize("entry", ["command_refused", "command_rejected"])
def test_a_refusal_says_which_command_and_what_to_do(entry: str) -> None:
    """In English; the code stands before it."""
    head, below = lines(an_entry(entry, reason="stale_holding", message_id="m-1"), NAMES)
    assert "message m-1" in head
    assert below.startswith("stale_holding: This is about an earlier holding")


def test_a_refusal_of_what_could_not_be_read_names_no_report() -> None:
    """The gateway made up an id for it; it would lead people astray."""
    head, _ = lines(an_entry("command_rejected", reason="not_json", message_id="m"), NAMES)
    assert "K7QF" not in head


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    """Words of strangers go to an officer's terminal."""
    shown = "".join(lines(an_entry("reporter_replied", text="a\x1b[2Jb"), NAMES))
    assert "\x1b" not in shown
