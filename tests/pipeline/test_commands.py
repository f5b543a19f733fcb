"""Commands that come before their time, twice, from the wrong sender, or too late: one answer."""

from typing import Any

import pytest

from shared.contract import events as e
from shared.contract.events import ReportClass
from shared.runtime.reader import memory_of
from shared.runtime.stage import ShellLimits
from tests.pipeline.city import City
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


def test_commands_before_the_forward_they_answer_wait_for_it(city: City) -> None:
    """An institution that knows the report by other means is early; its words count in order."""
    report = held(city)
    hsu = city.agency(HSU)
    early = [
        hsu.send(e.Accept, report, holding=1, report_class=CLASS, category_id="1398"),
        hsu.send(e.InitialResponse, report, holding=1, unit="6308-004", text="Kami cek."),
        hsu.send(e.FollowUp, report, holding=1, unit="6308-004", text="Sudah."),
    ]
    city.run()
    assert [hsu.answers_to(m) for m in early] == [[], [], []]
    assert city.said(report, *DECIDING) == []

    send(city, ADMIN, e.Forward, report, to=HSU)
    assert city.said(report, *DECIDING) == [
        "ReportForwarded", "ReportAccepted", "ReportDispatched", "InitialResponseGiven",
        "FollowUpGiven",
    ]  # fmt: skip
    assert [hsu.answers_to(m) for m in early] == [["accepted"], ["initial_response"], ["follow_up"]]
    assert city.status(report) == ("forwarded", "accepted", "dispatched", "followed_up")


def test_what_waits_in_vain_is_refused_after_a_day(city: City) -> None:
    """Whoever sent it is told, once, and by which of its messages."""
    report = held(city)
    hsu = city.agency(HSU)
    sent = [
        hsu.send(e.Accept, report, holding=1, report_class=CLASS),
        hsu.send(e.Dispatch, report, holding=1, unit="6308-004"),
        hsu.send(e.FollowUp, report, holding=1, text="Sudah."),
        city.agency(ADMIN).send(e.Forward, report, holding=2, to=HSU),
    ]
    city.wait(hours=23)
    codes = (HSU, HSU, HSU, ADMIN)
    assert [city.agency(c).answers_to(m) for c, m in zip(codes, sent, strict=True)] == [[]] * 4
    city.wait(hours=2)
    answers = [city.agency(c).answers_to(m) for c, m in zip(codes, sent, strict=True)]
    strange, own = ["command_refused:not_the_holder"], ["command_refused:nothing_to_decide"]
    assert answers == [strange, strange, strange, own]
    city.wait(days=3)
    assert len(city.of(e.CommandRefused, report)) == 4
    late = send(city, ADMIN, e.Forward, report, to=HSU)
    assert city.agency(ADMIN).answers_to(late) == ["forwarded"]
    assert city.status(report).institution == "waiting"


def test_the_same_message_twice_takes_effect_once(city: City) -> None:
    """The second is rejected at the gateway as a repeat; other content is another message."""
    report = forwarded(city)
    hsu = city.agency(HSU)
    for _ in range(2):
        hsu.send(e.Accept, report, message_id="m-1", report_class=CLASS)
    hsu.send(e.Accept, report, message_id="m-1", report_class=ReportClass.INFORMATION)
    city.run()
    assert len(city.of(e.ReportAccepted, report)) == 1
    assert sorted(hsu.answers_to("m-1")) == [
        "accepted", "command_refused:already_accepted", "command_rejected:repeated",
    ]  # fmt: skip


def test_only_the_holder_decides(city: City) -> None:
    """Another institution is told that the report is not its own, whatever it sends."""
    report = dispatched(city)
    bandung = city.agency(BANDUNG)
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
    city.run()
    assert [bandung.answers_to(m) for m in sent] == [["command_refused:not_the_holder"]] * 8
    assert city.status(report) == ("forwarded", "accepted", "dispatched", "waiting")
    assert {x.entry for x in city.inbox(BANDUNG)} == {"command_refused"}


def test_a_command_of_an_earlier_holding_is_stale(city: City) -> None:
    """The report came back to the same institution: what it said before does not count now."""
    report = forwarded(city)
    send(city, HSU, e.ReturnReport, report, reason="Bukan kami.")
    send(city, ADMIN, e.Forward, report, to=HSU)
    for command, fields in (
        (e.Accept, {"report_class": CLASS}),
        (e.Archive, {"reason": "unclear"}),
        (e.ReturnReport, {"reason": "Bukan kami."}),
    ):
        stale = send(city, HSU, command, report, holding=1, **fields)
        assert city.agency(HSU).answers_to(stale) == ["command_refused:stale_holding"]
    send(city, HSU, e.Accept, report, report_class=CLASS)
    stale = send(city, HSU, e.FollowUp, report, holding=1, text="Sudah.")
    assert city.agency(HSU).answers_to(stale) == ["command_refused:stale_holding"]
    assert city.status(report) == ("forwarded", "accepted", "dispatched", "waiting")


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
    city: City, beginning: Any, command: type[e.Command], fields: dict[str, Any], reason: str
) -> None:
    """And changes nothing."""
    report = beginning(city)
    before = city.status(report)
    message = send(city, HSU, command, report, **fields)
    assert city.agency(HSU).answers_to(message) == [f"command_refused:{reason}"]
    assert city.status(report) == before


def test_after_the_closing_nothing_of_an_institution_counts(city: City) -> None:
    """Each stage says that it is too late."""
    report = followed_up(city)
    write(city, e.CloseReport, report, rating=3, solved=True)
    hsu = city.agency(HSU)
    sent = [
        hsu.send(e.Accept, report, report_class=CLASS),
        hsu.send(e.Reclassify, report, report_class=ReportClass.INFORMATION, why="Salah."),
        hsu.send(e.Archive, report, reason="unclear"),
        hsu.send(e.FollowUp, report, text="Lagi."),
        hsu.send(e.CloseCase, report, solved=True),
    ]
    city.run()
    assert [hsu.answers_to(m) for m in sent] == [["command_refused:already_closed"]] * 5
    forward = send(city, ADMIN, e.Forward, report, holding=1, to=BANDUNG)
    assert city.agency(ADMIN).answers_to(forward) == ["command_refused:already_closed"]


def test_two_officers_of_the_national_admin_at_once(city: City) -> None:
    """The first wins, the second is told that it was forwarded."""
    report = held(city)
    admin = city.agency(ADMIN)
    sent = [admin.send(e.Forward, report, to=HSU), admin.send(e.Forward, report, to=BANDUNG)]
    city.run()
    assert [admin.answers_to(m) for m in sent] == [
        ["forwarded"], ["command_refused:already_forwarded"],
    ]  # fmt: skip
    assert [f.institution for f in city.of(e.ReportForwarded, report)] == [HSU]


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
    city: City, code: str, command: type[e.Command], fields: dict[str, Any], reason: str
) -> None:
    """Before any stage has to know the report."""
    report = city.submit(**UNCLEAR)
    city.run()
    message = send(city, code, command, report, **fields)
    assert city.agency(code).answers_to(message) == [f"command_rejected:{reason}"]
    assert city.said(report, *DECIDING) == []


def test_a_command_about_a_report_that_never_was_is_rejected(city: City) -> None:
    """No key, no report; only 00, which has to do with every report, is told that there is none."""
    message = send(city, HSU, e.Accept, "K7QF2M9XTD3A", report_class=CLASS)
    assert city.agency(HSU).answers_to(message) == ["command_refused:not_the_holder"]
    message = send(city, ADMIN, e.Block, "K7QF2M9XTD3A", reason="Tidak pantas.")
    assert city.agency(ADMIN).answers_to(message) == ["command_rejected:unknown_report"]


def test_a_report_that_had_too_many_messages_takes_no_more(city: City) -> None:
    """Nobody can make a case grow without end; each message is answered, other reports go on."""
    report, other = followed_up(city), held(city)
    rows = {"intake": report, "agencies.in": memory_of(report, HSU)}
    for gateway, row in rows.items():
        kept = city.processes[gateway].state.kept
        kept[row] = kept[row]._replace(decided=bytes(ShellLimits().decided_bytes_max))

    words = [write(city, e.ReplyToFollowUp, report, text="Belum menyala.") for _ in range(2)]
    commands = [send(city, HSU, e.FollowUp, report, text="Sudah.") for _ in range(2)]

    assert [outcome(city, word) for word in words] == ["refused:too_many_messages"] * 2
    hsu = city.agency(HSU)
    assert [hsu.answers_to(c) for c in commands] == [["command_rejected:too_many_messages"]] * 2
    for gateway, row in rows.items():
        kept = city.processes[gateway].state.kept
        assert len(kept[row].decided) == ShellLimits().decided_bytes_max
    assert outcome(city, write(city, e.ReplyToFollowUp, other, text="Terima kasih.")) == "accepted"
    assert city.dead() == []
