"""Commands that come before their time, twice, from the wrong sender, or too late: one answer."""

from typing import Any

import pytest

from shared.contract import events as e
from shared.contract.events import ReportClass
from shared.runtime.reader import memory_of
from shared.runtime.stage import ShellLimits
from tests.pipeline.harness import Harness
from tests.pipeline.stories import (
    ADMIN,
    BANDUNG,
    DECIDING,
    HSU,
    UNCLEAR,
    dispatched,
    followed_up,
    forwarded,
    held,
    outcome,
    send,
    write,
)

CLASS = ReportClass.UNSUPERVISED


def test_commands_before_the_forward_they_answer_wait_for_it(harness: Harness) -> None:
    """An institution that knows the report by other means is early; its words count in order."""
    report = held(harness)
    hsu = harness.agency(HSU)
    early = [
        hsu.send(e.Accept, report, holding=1, report_class=CLASS, category_id="1398"),
        hsu.send(e.InitialResponse, report, holding=1, unit="6308-004", text="Kami cek."),
        hsu.send(e.FollowUp, report, holding=1, unit="6308-004", text="Sudah."),
    ]
    harness.run()
    assert [hsu.answers_to(m) for m in early] == [[], [], []]
    assert harness.said(report, *DECIDING) == []

    send(harness, ADMIN, e.Forward, report, to=HSU)
    assert harness.said(report, *DECIDING) == [
        "ReportForwarded", "ReportAccepted", "ReportDispatched", "InitialResponseGiven",
        "FollowUpGiven",
    ]  # fmt: skip
    assert [hsu.answers_to(m) for m in early] == [["accepted"], ["initial_response"], ["follow_up"]]
    assert harness.status(report) == ("forwarded", "accepted", "dispatched", "followed_up")


def test_what_waits_in_vain_is_refused_after_a_day(harness: Harness) -> None:
    """Whoever sent it is told, once, and by which of its messages."""
    report = held(harness)
    hsu = harness.agency(HSU)
    sent = [
        hsu.send(e.Accept, report, holding=1, report_class=CLASS),
        hsu.send(e.Dispatch, report, holding=1, unit="6308-004"),
        hsu.send(e.FollowUp, report, holding=1, text="Sudah."),
        harness.agency(ADMIN).send(e.Forward, report, holding=2, to=HSU),
    ]
    harness.wait(hours=23)
    codes = (HSU, HSU, HSU, ADMIN)
    assert [harness.agency(c).answers_to(m) for c, m in zip(codes, sent, strict=True)] == [[]] * 4
    harness.wait(hours=2)
    answers = [harness.agency(c).answers_to(m) for c, m in zip(codes, sent, strict=True)]
    strange, own = ["command_refused:not_the_holder"], ["command_refused:nothing_to_decide"]
    assert answers == [strange, strange, strange, own]
    harness.wait(days=3)
    assert len(harness.of(e.CommandRefused, report)) == 4
    late = send(harness, ADMIN, e.Forward, report, to=HSU)
    assert harness.agency(ADMIN).answers_to(late) == ["forwarded"]
    assert harness.status(report).institution == "waiting"


def test_the_same_message_twice_takes_effect_once(harness: Harness) -> None:
    """The second is rejected at the gateway as a repeat; other content is another message."""
    report = forwarded(harness)
    hsu = harness.agency(HSU)
    for _ in range(2):
        hsu.send(e.Accept, report, message_id="m-1", report_class=CLASS)
    hsu.send(e.Accept, report, message_id="m-1", report_class=ReportClass.INFORMATION)
    harness.run()
    assert len(harness.of(e.ReportAccepted, report)) == 1
    assert sorted(hsu.answers_to("m-1")) == [
        "accepted", "command_refused:already_accepted", "command_rejected:repeated",
    ]  # fmt: skip


def test_only_the_holder_decides(harness: Harness) -> None:
    """Another institution is told that the report is not its own, whatever it sends."""
    report = dispatched(harness)
    bandung = harness.agency(BANDUNG)
    fields: dict[type[e.Command], dict[str, Any]] = {
        e.Accept: {"report_class": CLASS},
        e.ReturnReport: {"reason": "Bukan kami."},
        e.Archive: {"reason": "unclear"},
        e.AskForInformation: {"question": "Apa?"},
        e.Reclassify: {"report_class": ReportClass.INFORMATION, "why": "Salah."},
        e.Dispatch: {"unit": "3204-002"},
        e.FollowUp: {"unit": "3204-002", "text": "Sudah."},
        e.CloseCase: {"solved": True},
    }
    sent = [bandung.send(c, report, holding=1, **more) for c, more in fields.items()]
    harness.run()
    assert [bandung.answers_to(m) for m in sent] == [["command_refused:not_the_holder"]] * 8
    assert harness.status(report) == ("forwarded", "accepted", "dispatched", "waiting")
    assert {x.entry for x in harness.inbox(BANDUNG)} == {"command_refused"}


def test_a_command_of_an_earlier_holding_is_stale(harness: Harness) -> None:
    """The report came back to the same institution: what it said before does not count now."""
    report = forwarded(harness)
    send(harness, HSU, e.ReturnReport, report, reason="Bukan kami.")
    send(harness, ADMIN, e.Forward, report, to=HSU)
    for command, fields in (
        (e.Accept, {"report_class": CLASS}),
        (e.Archive, {"reason": "unclear"}),
        (e.ReturnReport, {"reason": "Bukan kami."}),
    ):
        stale = send(harness, HSU, command, report, holding=1, **fields)
        assert harness.agency(HSU).answers_to(stale) == ["command_refused:stale_holding"]
    send(harness, HSU, e.Accept, report, report_class=CLASS)
    stale = send(harness, HSU, e.FollowUp, report, holding=1, text="Sudah.")
    assert harness.agency(HSU).answers_to(stale) == ["command_refused:stale_holding"]
    assert harness.status(report) == ("forwarded", "accepted", "dispatched", "waiting")


@pytest.mark.parametrize(
    ("beginning", "command", "fields", "reason"),
    [
        (dispatched, e.Accept, {"report_class": CLASS}, "already_accepted"),
        (dispatched, e.Dispatch, {"unit": "6308-009"}, "already_dispatched"),
        (dispatched, e.FollowUp, {"unit": "6308-009", "text": "Sudah."}, "wrong_unit"),
        (forwarded, e.Reclassify, {"report_class": CLASS, "why": "Salah."}, "not_accepted"),
        (dispatched, e.Reclassify, {"report_class": CLASS, "why": "Salah."}, "same_class"),
        (forwarded, e.Archive, {"reason": "expired"}, "reason_not_allowed"),
        (forwarded, e.Archive, {"reason": "duplicate"}, "duplicate_of_missing"),
        (followed_up, e.InitialResponse, {"text": "Kami cek."}, "already_followed_up"),
        (followed_up, e.ReturnToInstitution, {"reason": "Bukan kami."}, "already_followed_up"),
    ],
)
def test_a_command_that_does_not_fit_is_refused_with_its_reason(
    harness: Harness, beginning: Any, command: type[e.Command], fields: dict[str, Any], reason: str
) -> None:
    """And changes nothing."""
    report = beginning(harness)
    before = harness.status(report)
    message = send(harness, HSU, command, report, **fields)
    assert harness.agency(HSU).answers_to(message) == [f"command_refused:{reason}"]
    assert harness.status(report) == before


def test_after_the_closing_nothing_of_an_institution_counts(harness: Harness) -> None:
    """Each stage says that it is too late."""
    report = followed_up(harness)
    write(harness, e.CloseReport, report, rating=3, solved=True)
    hsu = harness.agency(HSU)
    sent = [
        hsu.send(e.Accept, report, report_class=CLASS),
        hsu.send(e.Reclassify, report, report_class=ReportClass.INFORMATION, why="Salah."),
        hsu.send(e.Archive, report, reason="unclear"),
        hsu.send(e.FollowUp, report, text="Lagi."),
        hsu.send(e.CloseCase, report, solved=True),
    ]
    harness.run()
    assert [hsu.answers_to(m) for m in sent] == [["command_refused:already_closed"]] * 5
    forward = send(harness, ADMIN, e.Forward, report, holding=1, to=BANDUNG)
    assert harness.agency(ADMIN).answers_to(forward) == ["command_refused:already_closed"]


def test_two_officers_of_the_national_admin_at_once(harness: Harness) -> None:
    """The first wins, the second is told that it was forwarded."""
    report = held(harness)
    admin = harness.agency(ADMIN)
    sent = [admin.send(e.Forward, report, to=HSU), admin.send(e.Forward, report, to=BANDUNG)]
    harness.run()
    assert [admin.answers_to(m) for m in sent] == [
        ["forwarded"], ["command_refused:already_forwarded"],
    ]  # fmt: skip
    assert [f.institution for f in harness.of(e.ReportForwarded, report)] == [HSU]


@pytest.mark.parametrize(
    ("code", "command", "fields", "reason"),
    [
        (HSU, e.Forward, {"to": BANDUNG}, "not_yours_to_give"),
        (HSU, e.Block, {"reason": "Tidak suka."}, "not_yours_to_give"),
        (ADMIN, e.Accept, {"report_class": CLASS}, "not_yours_to_give"),
        (ADMIN, e.FollowUp, {"unit": "6308-001", "text": "Sudah."}, "not_yours_to_give"),
        (ADMIN, e.Forward, {"to": "9999"}, "unknown_institution"),
        (ADMIN, e.Forward, {"to": ADMIN}, "forward_to_itself"),
        (HSU, e.Dispatch, {"unit": "6308-999"}, "unknown_unit"),
        (HSU, e.FollowUp, {"unit": "3204-001", "text": "Sudah."}, "not_your_unit"),
        (HSU, e.Accept, {"report_class": CLASS, "category_id": "999999"}, "unknown_category"),
        (HSU, e.Accept, {"report_class": CLASS, "place_code": "99"}, "unknown_place"),
        (HSU, e.ReturnReport, {"reason": "   "}, "blank_text"),
        (HSU, e.ReturnReport, {"reason": "a\x00b"}, "control_characters"),
        (HSU, e.ReturnReport, {"reason": "a" * 10_001}, "text_too_long"),
    ],
)
def test_a_command_that_is_wrong_in_itself_is_rejected_at_the_gateway(
    harness: Harness, code: str, command: type[e.Command], fields: dict[str, Any], reason: str
) -> None:
    """Before any stage has to know the report."""
    report = harness.submit(**UNCLEAR)
    harness.run()
    message = send(harness, code, command, report, **fields)
    assert harness.agency(code).answers_to(message) == [f"command_rejected:{reason}"]
    assert harness.said(report, *DECIDING) == []


def test_a_command_about_a_report_that_never_was_is_rejected(harness: Harness) -> None:
    """No key, no report; only 00, which has to do with every report, is told that there is none."""
    message = send(harness, HSU, e.Accept, "K7QF2M9XTD3A", report_class=CLASS)
    assert harness.agency(HSU).answers_to(message) == ["command_refused:not_the_holder"]
    message = send(harness, ADMIN, e.Block, "K7QF2M9XTD3A", reason="Tidak pantas.")
    assert harness.agency(ADMIN).answers_to(message) == ["command_rejected:unknown_report"]


def test_a_report_that_had_too_many_messages_takes_no_more(harness: Harness) -> None:
    """Nobody can make a case grow without end; each message is answered, other reports go on."""
    report, other = followed_up(harness), held(harness)
    rows = {"intake": report, "agencies.in": memory_of(report, HSU)}
    for gateway, row in rows.items():
        kept = harness.processes[gateway].state.kept
        kept[row] = kept[row]._replace(decided=bytes(ShellLimits().decided_bytes_max))

    words = [write(harness, e.ReplyToFollowUp, report, text="Belum menyala.") for _ in range(2)]
    commands = [send(harness, HSU, e.FollowUp, report, text="Sudah.") for _ in range(2)]

    assert [outcome(harness, word) for word in words] == ["refused:too_many_messages"] * 2
    hsu = harness.agency(HSU)
    assert [hsu.answers_to(c) for c in commands] == [["command_rejected:too_many_messages"]] * 2
    for gateway, row in rows.items():
        kept = harness.processes[gateway].state.kept
        assert len(kept[row].decided) == ShellLimits().decided_bytes_max
    assert (
        outcome(harness, write(harness, e.ReplyToFollowUp, other, text="Terima kasih."))
        == "accepted"
    )
    assert harness.dead() == []
