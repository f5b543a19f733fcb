"""Not our authority: reports that come back, to the national admin or within the institution."""

from shared.contract import events as e
from tests.pipeline.harness import Harness, at
from tests.pipeline.stories import (
    ADMIN,
    BANDUNG,
    DECIDING,
    HSU,
    dispatched,
    forwarded,
    held,
    send,
)


def test_after_two_returns_the_next_forward_is_final(harness: Harness) -> None:
    """No ping-pong without end: a third return is refused, and the institution has to decide."""
    report = forwarded(harness)
    message = send(
        harness, HSU, e.ReturnReport, report, reason="Jalan provinsi.", proposed_owner=BANDUNG
    )
    assert harness.agency(HSU).answers_to(message) == ["report_returned"]
    assert harness.status(report)[:2] == ("waiting", "returned")
    (told,) = [x for x in harness.inbox(ADMIN) if x.entry == "report_returned"]
    assert (told.text, told.proposed_owner) == ("Jalan provinsi.", BANDUNG)

    send(harness, ADMIN, e.Forward, report, to=BANDUNG)
    assert harness.status(report)[:2] == ("forwarded", "waiting")
    send(harness, BANDUNG, e.ReturnReport, report, reason="Bukan wilayah kami.")
    send(harness, ADMIN, e.Forward, report, to=HSU)

    forwards = harness.of(e.ReportForwarded, report)
    assert [(f.institution, f.holding, f.final) for f in forwards] == [
        (HSU, 1, False), (BANDUNG, 2, False), (HSU, 3, True),
    ]  # fmt: skip
    last = [x for x in harness.inbox(HSU) if x.entry == "report_to_verify"]
    assert [(x.holding, x.final) for x in last] == [(1, False), (3, True)]
    message = send(harness, HSU, e.ReturnReport, report, reason="Tetap bukan kami.")
    assert harness.agency(HSU).answers_to(message) == ["command_refused:return_limit"]
    assert harness.status(report)[:2] == ("forwarded", "waiting")
    assert harness.owed(report) == {"institution_verification": at("2023-04-28 24:00")}


def test_a_return_gives_the_national_admin_the_time_it_had_left(harness: Harness) -> None:
    """Its clock rested while the institution had the report, and goes on; nothing starts anew."""
    report = held(harness)
    harness.advance(at("2023-04-27 12:00", zone_hours=7))
    send(harness, ADMIN, e.Forward, report, to=HSU)
    harness.advance(at("2023-05-03 12:00", zone_hours=7))
    send(harness, HSU, e.ReturnReport, report, reason="Bukan kewenangan kami.")

    deadline = harness.owed(report)["national_verification"]
    # 36 working hours were left at noon of the 27th: noon of the 3rd, the whole 4th.
    assert abs((deadline - at("2023-05-04 24:00", zone_hours=7)).total_seconds()) < 1
    harness.advance(at("2023-05-04 23:00", zone_hours=7))
    assert not [b for b in harness.of(e.DeadlineBreached, report) if b.institution == ADMIN]
    send(harness, ADMIN, e.Forward, report, to=BANDUNG)
    met = [m for m in harness.of(e.DeadlineMet, report) if m.clock == "national_verification"]
    assert [m.on_time for m in met] == [True, True]


def test_units_that_return_hand_on_to_the_next_then_the_admin_decides(harness: Harness) -> None:
    """The directory's second unit is tried; after two returns the admin's dispatch is final."""
    report = dispatched(harness)
    started = harness.owed(report)["follow_up"]
    send(harness, HSU, e.ReturnToInstitution, report, reason="Bukan tugas kami.")
    send(harness, HSU, e.ReturnToInstitution, report, reason="Bukan tugas kami juga.")
    assert harness.status(report)[2:] == ("held", "nothing")
    (told,) = [x for x in harness.inbox(HSU) if x.entry == "routing_held"]
    assert told.reason == "returned_twice"
    assert harness.owed(report) == {"follow_up": started, "dispatch": at("2023-04-28 24:00")}
    owners = [d.unit for d in harness.of(e.DeadlineSet, report) if d.clock == "follow_up"]
    assert owners[-1] is None, "the institution owes it until the next unit has it"
    asked = harness.of(e.NotificationRequested, report)
    heard = [n for n in asked if (n.template, n.person) == ("dispatched", "reporter")]
    assert len(heard) == len([unit for unit in owners if unit])

    harness.advance(at("2023-04-27 09:00"))
    send(harness, HSU, e.Dispatch, report, unit="6308-004")
    sent = harness.of(e.ReportDispatched, report)
    assert [(d.unit, d.dispatch, d.final) for d in sent] == [
        ("6308-004", 1, False), ("6308-009", 2, False), ("6308-004", 3, True),
    ]  # fmt: skip
    assert [d.by for d in sent] == ["auto", "auto", "petugas-1"]
    message = send(harness, HSU, e.ReturnToInstitution, report, reason="Tidak mau.")
    assert harness.agency(HSU).answers_to(message) == ["command_refused:return_limit"]
    # Time is never lost: the unit that has it last owes it by the first dispatch's date.
    assert harness.owed(report) == {"follow_up": started}
    send(harness, HSU, e.FollowUp, report, text="Selesai.")
    assert harness.status(report).follow_up == "followed_up"


def test_a_unit_may_name_who_is_responsible(harness: Harness) -> None:
    """The proposal goes before the directory."""
    report = dispatched(harness)
    send(
        harness,
        HSU,
        e.ReturnToInstitution,
        report,
        reason="Milik Perkim.",
        proposed_unit="6308-010",
    )
    last = harness.of(e.ReportDispatched, report)[-1]
    assert (last.unit, last.rule) == ("6308-010", "proposed_by_unit")


def test_an_institution_may_return_what_no_unit_of_its_takes(harness: Harness) -> None:
    """While routing holds it; every stage then knows that it is the national admin's again."""
    report = forwarded(harness)
    accepted = {"report_class": e.ReportClass.UNSUPERVISED, "category_id": "949"}
    send(harness, HSU, e.Accept, report, **accepted)
    assert harness.status(report) == ("forwarded", "accepted", "held", "")
    message = send(harness, HSU, e.ReturnReport, report, reason="Urusan kepolisian.")
    assert harness.agency(HSU).answers_to(message) == ["report_returned"]
    assert harness.status(report) == ("waiting", "returned", "returned", "nothing")
    assert set(harness.owed(report)) == {"national_verification"}
    assert harness.said(report, *DECIDING) == [
        "ReportForwarded", "ReportAccepted", "RoutingHeld", "ReportReturned",
    ]  # fmt: skip


def test_another_class_counts_from_the_original_start(harness: Harness) -> None:
    """Kabupaten Bandung has the national limits: 14 working days become 60, in WIB."""
    report = forwarded_to_bandung(harness)
    send(harness, BANDUNG, e.Accept, report, report_class=e.ReportClass.UNSUPERVISED)
    assert harness.owed(report) == {"follow_up": at("2023-05-16 24:00", zone_hours=7)}

    harness.advance(at("2023-05-15 09:00", zone_hours=7))
    message = send(
        harness,
        BANDUNG,
        e.Reclassify,
        report,
        report_class=e.ReportClass.SUPERVISED,
        why="Korupsi.",
    )
    assert harness.agency(BANDUNG).answers_to(message) == ["reclassified"]
    (changed,) = harness.of(e.ReportReclassified, report)
    assert (changed.class_before, changed.class_after, changed.by) == (
        e.ReportClass.UNSUPERVISED, e.ReportClass.SUPERVISED, "petugas-1",
    )  # fmt: skip
    (moved,) = harness.of(e.DeadlineMoved, report)
    assert (moved.why, moved.deadline_before) == (
        "reclassified", at("2023-05-16 24:00", zone_hours=7),
    )  # fmt: skip
    # As the calendar was known in May; two days of June became joint leave by a decree of June.
    assert harness.owed(report) == {"follow_up": at("2023-07-26 24:00", zone_hours=7)}
    assert moved.deadline == at("2023-07-26 24:00", zone_hours=7)
    assert len(harness.of(e.ReportDispatched, report)) == 1


def forwarded_to_bandung(harness: Harness) -> str:
    """Let a report reach Kabupaten Bandung."""
    report = harness.submit(
        title="Lampu jalan padam di Soreang",
        body="Lampu penerangan jalan raya Soreang Kabupaten Bandung padam sejak dua minggu.",
        institution=BANDUNG,
    )
    harness.run()
    assert harness.status(report).institution == "waiting"
    return report
