"""From the reporter to the unit and back: the straight way, and the ways that end before it."""

from datetime import timedelta

from shared.contract import events as e
from tests.pipeline.harness import REPORTER, Harness, at
from tests.pipeline.stories import (
    ADMIN,
    DECIDING,
    HSU,
    dispatched,
    forwarded,
    held,
    letters,
    outcome,
    send,
    write,
)


def test_a_clear_report_goes_the_straight_way(harness: Harness) -> None:
    """Forwarded by itself, accepted, dispatched, answered, followed up, and closed by silence."""
    report = harness.submit()
    harness.run()
    assert outcome(harness, "website-1") == "received"
    assert harness.owed(report) == {"institution_verification": at("2023-04-28 24:00")}

    send(harness, HSU, e.Accept, report, report_class=e.ReportClass.UNSUPERVISED)
    assert harness.owed(report) == {"follow_up": at("2023-05-03 24:00")}

    harness.advance(at("2023-04-20 09:00"))
    send(harness, HSU, e.InitialResponse, report, text="Petugas kami akan memeriksa.")
    assert harness.owed(report) == {"follow_up": at("2023-05-03 24:00")}

    harness.advance(at("2023-04-27 09:00"))
    send(harness, HSU, e.FollowUp, report, text="Lampu sudah kami ganti.")
    assert harness.owed(report) == {"reply": at("2023-05-07 24:00")}

    harness.advance(at("2023-05-07 24:00") - timedelta(minutes=1))
    assert harness.status(report) == ("forwarded", "accepted", "dispatched", "followed_up")
    harness.advance(at("2023-05-08 08:00"))
    assert harness.status(report) == ("closed", "closed", "closed", "closed")
    assert harness.owed(report) == {}
    assert harness.said(report, *DECIDING) == [
        "ReportForwarded", "ReportAccepted", "ReportDispatched", "InitialResponseGiven",
        "FollowUpGiven", "ReportClosed",
    ]  # fmt: skip
    (closed,) = harness.of(e.ReportClosed, report)
    assert (closed.by, closed.unit, closed.holding) == ("system", "6308-004", 1)
    (over,) = harness.of(e.TimeRanOut, report)
    assert (over.window, over.ran_out_at) == ("reply", at("2023-05-07 24:00"))
    met = {m.clock: m.on_time for m in harness.of(e.DeadlineMet, report)}
    assert met == dict.fromkeys(
        ("national_verification", "institution_verification", "dispatch", "follow_up"), True
    )
    assert harness.of(e.DeadlineBreached, report) == []
    _everybody_was_told(harness, report)
    assert harness.dead() == []


def _everybody_was_told(harness: Harness, report: str) -> None:
    """Check the reporter's letters and the institution's inbox after the straight way."""
    assert letters(harness, report) == [
        "accepted", "closed", "dispatched", "follow_up", "forwarded", "initial_response",
        "received",
    ]  # fmt: skip
    assert {letter.to for letter in harness.letters} == {REPORTER.email}
    assert sorted(x.entry for x in harness.inbox(HSU)) == [
        "accepted", "closed", "deadline_set", "deadline_set", "deadline_set", "dispatched",
        "follow_up", "initial_response", "report_to_verify",
    ]  # fmt: skip


def test_an_unclear_report_waits_for_the_national_admin(harness: Harness) -> None:
    """`00` has three working days in its own zone (WIB), then forwards it by hand."""
    report = held(harness)
    assert harness.owed(report) == {"national_verification": at("2023-04-28 24:00", zone_hours=7)}
    assert [x.entry for x in harness.inbox(ADMIN)] == ["report_received", "deadline_set"]

    harness.advance(at("2023-04-27 11:00"))
    message = send(harness, ADMIN, e.Forward, report, to=HSU)

    assert harness.agency(ADMIN).answers_to(message) == ["forwarded"]
    (forward,) = harness.of(e.ReportForwarded, report)
    assert (forward.institution, forward.holding, forward.by) == (HSU, 1, "petugas-1")
    assert harness.owed(report) == {"institution_verification": at("2023-05-03 24:00")}
    view = next(x.report for x in harness.inbox(HSU) if x.entry == "report_to_verify")
    assert view is not None
    assert (view.title, view.reporter) == ("Tolong dibantu", REPORTER.name)


def test_the_same_text_of_the_same_person_is_suspected_and_archived(harness: Harness) -> None:
    """A double submission waits for an officer, who archives it as a duplicate of the first."""
    first = forwarded(harness)
    again = harness.submit()
    harness.run()
    (suspected,) = harness.of(e.DuplicateSuspected, again)
    assert [(s.report_id, s.same_sender, s.distance) for s in suspected.similar] == [
        (first, True, 0)
    ]
    assert harness.status(again) == ("waiting", "", "", "")

    message = send(harness, ADMIN, e.Archive, again, reason="duplicate", duplicate_of=first)
    assert harness.agency(ADMIN).answers_to(message) == ["archived"]
    (archived,) = harness.of(e.ReportArchived, again)
    assert (archived.by, archived.reason, archived.duplicate_of) == ("admin", "duplicate", first)
    assert harness.status(again) == ("archived", "archived", "archived", "archived")
    assert harness.status(first).institution == "waiting"
    assert harness.owed(again) == {}


def test_another_person_with_nearly_the_same_text_is_suspected(harness: Harness) -> None:
    """Neighbours report one thing; the officer sees that it is another sender."""
    first = forwarded(harness)
    text = (
        "Lampu penerangan jalan umum di Amuntai padam sejak dua minggu dan warga takut lewat "
        "pada malam hari, mohon."
    )
    other = harness.submit(
        body=text, reporter=e.Reporter(email="badrun@warga.example"), channel="counter"
    )
    harness.run()
    (suspected,) = harness.of(e.DuplicateSuspected, other)
    assert [(s.report_id, s.same_sender) for s in suspected.similar] == [(first, False)]
    entry = next(x for x in harness.inbox(ADMIN) if x.entry == "duplicate_suspected")
    assert entry.similar == (first,)


def test_a_question_rests_the_clock_until_it_is_answered(harness: Harness) -> None:
    """The institution gets back the working time that it had left."""
    report = forwarded(harness)
    harness.advance(at("2023-04-27 12:00"))
    send(harness, HSU, e.AskForInformation, report, question="Di depan toko mana?")
    assert harness.status(report)[:2] == ("forwarded", "asked")
    assert harness.owed(report)["completion"] == at("2023-05-12 24:00")

    harness.advance(at("2023-05-03 12:00"))
    message = write(harness, e.CompleteInformation, report, text="Di depan Toko Makmur.")
    assert outcome(harness, message) == "accepted"
    assert harness.status(report)[:2] == ("forwarded", "waiting")
    # 36 working hours were left at noon of the 27th: noon of the 3rd, the whole 4th.
    (moved,) = harness.of(e.DeadlineMoved, report)
    assert (moved.clock, moved.why) == ("institution_verification", "resumed")
    assert abs(moved.deadline - at("2023-05-04 24:00")) < timedelta(seconds=1)
    told = [x for x in harness.inbox(HSU) if x.entry == "information_completed"]
    assert [x.text for x in told] == ["Di depan Toko Makmur."]
    send(harness, HSU, e.Accept, report, report_class=e.ReportClass.ASPIRATION)
    assert harness.status(report).follow_up == "waiting"


def test_a_question_that_nobody_answers_archives_the_report(harness: Harness) -> None:
    """By the system, after ten working days, in the zone of who asked; the reporter is told."""
    report = held(harness)
    harness.advance(at("2023-04-27 09:00"))
    send(harness, ADMIN, e.AskForInformation, report, question="Di kota mana?")
    assert harness.owed(report)["completion"] == at("2023-05-12 24:00", zone_hours=7)

    harness.advance(at("2023-05-13 12:00"))

    (archived,) = harness.of(e.ReportArchived, report)
    assert (archived.by, archived.reason) == ("system", "expired")
    assert harness.status(report) == ("archived", "archived", "archived", "archived")
    assert harness.owed(report) == {}
    assert harness.of(e.DeadlineBreached, report) == []
    assert letters(harness, report) == ["archived", "information_requested", "received"]
    assert (
        outcome(harness, write(harness, e.CompleteInformation, report, text="Amuntai"))
        == "accepted"
    )
    assert harness.status(report).national == "archived"


def test_an_institution_archives_with_a_reason(harness: Harness) -> None:
    """The end reaches every stage, `00` and the reporter."""
    report = dispatched(harness)
    message = send(harness, HSU, e.Archive, report, reason="no_evidence", note="Tidak ada bukti.")
    assert harness.agency(HSU).answers_to(message) == ["archived"]
    assert harness.status(report) == ("archived", "archived", "archived", "archived")
    assert [x.reason for x in harness.inbox(ADMIN) if x.entry == "archived"] == ["no_evidence"]
    assert harness.owed(report) == {}
