"""A report's records as people read them."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from deploy.cli.commands.case import as_dict, report_id_of
from deploy.cli.model.registry_names import Names
from deploy.cli.model.report_status import last_promised, standing
from deploy.cli.model.timeline import STREAMS, TimelineEntry, sealed_fields, timeline, unsealed
from deploy.cli.terminal.console import CliError
from deploy.cli.terminal.output import plain
from deploy.cli.terminal.text import deadline, moment, why
from deploy.cli.views.event_summary import facts, who
from shared.contract import events as e
from shared.contract.envelope import encode, event_headers
from shared.contract.topics import kebab
from shared.contract.tracking import tracking_number
from tests.simulation.memory import MemoryRecord
from tests.support import builders as b

GOLDEN = Path(__file__).parents[2] / "golden" / "events"
WITHOUT_FACTS = (e.ReportWithdrawn, e.ReportBlocked)  # what they say is all in their name
NAMES = Names()
AT_UNIT = {"report_id": b.REPORT, "institution": b.HSU, "holding": 1, "dispatch": 1, "unit": b.UNIT}
DEADLINE = {
    "report_id": b.REPORT, "clock": "follow_up", "owner": "unit", "institution": b.HSU,
    "unit": b.UNIT, "started_at": b.NOON, "deadline": b.at(60 * 12), "calendar_version": "1",
    "policy_version": "1",
}  # fmt: skip


def a_record(
    event: BaseModel, event_id: str, *, cause: str = "gateway-1", minute: int = 0, shift_ms: int = 0
) -> MemoryRecord:
    """Return an event as a stage publishes it, at some minute after noon."""
    stream = next(s for s in STREAMS if type(event) in s.events)
    time = b.at(minute)
    headers = event_headers(
        event_id=event_id, event_type=stream.type_of(type(event)),
        source=f"/lapor/{stream.producer}", subject=b.REPORT, time=time, causation_id=cause,
        correlation_id=b.REPORT, sequence=1,
    )  # fmt: skip
    timestamp = int(time.timestamp() * 1000) + shift_ms
    key = b.REPORT.encode()
    return MemoryRecord(stream.topic(), 0, minute, timestamp, key, encode(event), tuple(headers))


def told(*events: BaseModel) -> list[TimelineEntry]:
    """Return the timeline of events that came a minute after each other."""
    return timeline(a_record(x, f"id-{n}", minute=n) for n, x in enumerate(events))


def test_an_effect_hangs_below_its_cause_even_if_a_brokers_clock_was_behind() -> None:
    """Times of two brokers differ by milliseconds; causes do not."""
    entries = timeline([
        a_record(b.a_forwarding(), "two", cause="one", shift_ms=-5),
        a_record(b.a_report(), "one"),
        a_record(b.an_acceptance(), "four", cause="three", minute=2),
        a_record(b.an_accept(), "three", minute=1),
    ])  # fmt: skip
    assert [(x.kind, x.cause, x.depth) for x in entries] == [
        ("ReportReceived", None, 0),
        ("ReportForwarded", 1, 1),
        ("Accept", None, 0),
        ("ReportAccepted", 3, 1),
    ]


@pytest.mark.parametrize(("first", "second"), [("one", "two"), ("two", "one"), ("one", "one")])
def test_an_outsider_cannot_forge_a_cause_that_nothing_is_shown_of(first: str, second: str) -> None:
    """An event that names itself, or two that name each other: both are shown, under nothing."""
    entries = timeline([
        a_record(b.a_report(), "one", cause=first),
        a_record(b.a_forwarding(), "two", cause=second, minute=1),
    ])  # fmt: skip
    assert {x.id for x in entries} == {"one", "two"}
    assert all(x.cause is None or x.cause < x.number for x in entries)


def test_an_event_published_twice_is_shown_once() -> None:
    """After a crash a stage may publish again, under the same id."""
    record = a_record(b.a_report(), "one")
    assert len(timeline([record, record._replace(offset=7, timestamp=record.timestamp + 9)])) == 1


def test_a_dead_letter_and_an_unknown_event_have_their_place() -> None:
    """Nothing is hidden because this version cannot read it."""
    newer = a_record(b.a_report(), "one")
    newer = newer._replace(
        headers=tuple((k, b"id.x.v9" if k == "ce_type" else v) for k, v in newer.headers)
    )
    dead = MemoryRecord(
        "lapor.dead-letters.v1", 0, 0, newer.timestamp + 1, b.REPORT.encode(), b"sealed",
        (("ce_id", b"two"), ("stage", b"routing"), ("reason", b"rule_raised"),
         ("topic", b"t"), ("partition", b"1"), ("offset", b"2"), ("detail", b"KeyError")),
    )  # fmt: skip
    first, second = timeline([newer, dead])
    assert (first.kind, first.event) == ("id.x.v9", None)
    assert (second.kind, second.stage) == ("DeadLetter", "routing")
    assert facts(second, NAMES) == "rule_raised KeyError, t/1/2"


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([b.a_report()], "Belum Terverifikasi"),
        ([b.a_report(), b.a_request()], "Menunggu Kelengkapan Informasi"),
        ([b.a_report(), b.a_request(), b.a_completion()], "Belum Terverifikasi"),
        ([b.a_report(), b.a_forwarding()], "Belum Terverifikasi"),
        ([b.an_acceptance()], "Terverifikasi"),
        ([b.an_acceptance(), b.a_returning()], "Belum Terverifikasi"),
        ([b.a_dispatching()], f"Terdisposisi ke {NAMES.unit_name(b.UNIT)}"),
        ([b.a_dispatching(), e.UnitReturned(**AT_UNIT, by="x", reason="s")], "Terverifikasi"),
        ([e.InitialResponseGiven(**AT_UNIT, by="x", text="s")], "Ditindaklanjuti oleh Instansi"),
        ([e.FollowUpGiven(**AT_UNIT, by="x", round=1, text="s")], "Ditindaklanjuti oleh Instansi"),
        ([e.ReporterAnswered(**AT_UNIT, round=1)], "Ditanggapi oleh Pelapor"),
        ([b.a_closing()], "Ditutup oleh Sistem"),
        ([b.a_closing(by="admin")], "Ditutup oleh Admin"),
        ([b.a_closing(by="reporter")], "Ditutup oleh Pelapor"),
        ([b.a_closing(), b.a_reopening()], "Ditindaklanjuti oleh Instansi"),
        ([b.an_archiving()], "Diarsipkan oleh Admin"),
        ([b.an_archiving(by="system")], "Diarsipkan oleh Sistem"),
        ([b.a_withdrawing()], "Diarsipkan oleh Pelapor"),
        ([b.a_blocking()], "Konten Terblokir"),
        ([b.a_blocking(), b.a_dispatching()], "Konten Terblokir"),
    ],
)
def test_the_status_is_the_real_systems_word(events: list[BaseModel], status: str) -> None:
    """As the official export writes it."""
    assert standing(told(*events), NAMES).status == status


def test_who_owes_what_follows_the_clocks() -> None:
    """Set, escalated, moved, met; at an end nobody owes anything."""
    due = e.DeadlineSet(**DEADLINE, limit=5, limit_unit="working_days")
    breach = e.DeadlineBreached(**DEADLINE, level=2, due_at=b.NOON, detected_at=b.NOON)
    moved = e.DeadlineMoved(**DEADLINE, deadline_before=b.NOON, why="resumed")
    met = e.DeadlineMet(**DEADLINE, met_at=b.NOON, on_time=False, working_days=9)

    assert standing(told(due), NAMES).owed["follow_up"].level == 0
    assert standing(told(due, breach), NAMES).owed["follow_up"].level == 2
    assert standing(told(due, breach, moved), NAMES).owed["follow_up"].level == 0
    assert standing(told(due, breach, met), NAMES).owed == {}
    withdrawn = e.BreachWithdrawn(**DEADLINE, level=2, why="moved", deadline_now=b.at(60 * 36))
    assert standing(told(due, breach, withdrawn), NAMES).owed["follow_up"].level == 1
    warned = e.DeadlineApproaching(**DEADLINE, level=-2, due_at=b.NOON, detected_at=b.NOON)
    assert standing(told(due, warned), NAMES).owed["follow_up"].level == 0
    assert standing(told(due, b.an_archiving()), NAMES).owed == {}


def test_a_word_about_one_run_of_a_clock_is_none_about_another() -> None:
    """That a follow-up was done is said again when its class was wrong; the next one is owed."""
    due, met = e.DeadlineSet, e.DeadlineMet
    done = {"met_at": b.NOON, "on_time": True, "working_days": 1}
    limit = {"limit": 5, "limit_unit": "working_days"}
    events = [
        due(**DEADLINE, **limit, run="follow_up:1"), met(**DEADLINE, **done, run="follow_up:1"),
        due(**DEADLINE, **limit, run="follow_up:r2"), met(**DEADLINE, **done, run="follow_up:1"),
    ]  # fmt: skip
    assert list(standing(told(*events), NAMES).owed) == ["follow_up:r2"]


def test_what_was_promised_stands_beside_what_is_owed() -> None:
    """The last date that each person was told, kept apart from the internal deadline."""

    def promise(person: str, deadline: datetime, message: str) -> e.NotificationRequested:
        return e.NotificationRequested(
            report_id=b.REPORT, notification_id=message, about="a", template="dispatched",
            person=person, channel="file", language="id", message="s", clock="follow_up",
            institution=b.HSU, deadline=deadline,
        )  # fmt: skip

    due = e.DeadlineSet(**DEADLINE, limit=5, limit_unit="working_days")
    first, later = b.at(60 * 12), b.at(60 * 36)
    made = [promise("reporter", first, "n-1"), promise("kepala@hsu.example", first, "n-2")]
    entries = told(due, *made, promise("reporter", later, "n-3"))

    now = standing(entries, NAMES)

    assert [(p.person, p.deadline, p.message) for p in last_promised(now)] == [
        ("reporter", later, "n-3"), ("kepala@hsu.example", first, "n-2"),
    ]  # fmt: skip
    assert [p["message"] for p in as_dict(b.REPORT, entries, now)["promises"]] == [
        "n-1", "n-2", "n-3",
    ]  # fmt: skip
    assert "promises follow_up by 2025-03-03 24:00 WITA" in facts(entries[1], NAMES)
    met = e.DeadlineMet(**DEADLINE, met_at=b.NOON, on_time=True, working_days=1)
    assert last_promised(standing(told(due, *made, met), NAMES)) == []


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.json")))
def test_every_event_has_its_line(file: Path) -> None:
    """Who did it and what matters, for the golden example of every event of these streams."""
    name = file.name.split(".", maxsplit=1)[0]
    for stream in STREAMS:
        for event_class in stream.events:
            if kebab(event_class.__name__) == name:
                event = event_class.model_validate_json(file.read_text(encoding="utf-8"))
                (entry,) = told(event)
                assert who(entry, NAMES)
                assert facts(entry, NAMES) or event_class in WITHOUT_FACTS


def test_a_line_says_what_matters() -> None:
    """Codes have their names beside them."""
    event = b.a_report(institution=b.HSU, anonymous=True, screening=b.a_screening())
    (entry,) = told(event)
    assert who(entry, NAMES) == "reporter, web"
    assert facts(entry, NAMES).startswith("addressed to 6308 Kab. Hulu Sungai Utara, anonim")


def test_what_is_sealed_is_named_and_not_shown() -> None:
    """Neither in the text nor for programs."""
    entries = told(b.a_report(identity=b.SEALED), b.a_block(), b.an_ask())
    document = json.dumps(as_dict(b.REPORT, entries, standing(entries, NAMES)))
    assert b.SEALED not in document
    assert b.SEALED not in " ".join(facts(entry, NAMES) for entry in entries)
    assert unsealed(b.a_report())["sealed"] == ["content"]
    assert sealed_fields(e.ReportReceived) == ("backdating_reason", "identity", "content")


@pytest.mark.parametrize(
    "typed",
    [
        b.REPORT,
        b.REPORT.lower(),
        tracking_number(b.REPORT),
        tracking_number(b.REPORT).lower(),
        tracking_number(b.REPORT).replace("-", " "),
        tracking_number(b.REPORT).replace("0", "o"),
    ],
)
def test_a_number_is_read_as_people_write_it(typed: str) -> None:
    """The id, or the number with or without its hyphens."""
    assert report_id_of(typed) == b.REPORT


@pytest.mark.parametrize("typed", ["", "K7QF", "K7QF-2M9X-TD3A-0", "K7QF-2M9X-TD3U-R", "x" * 999])
def test_what_is_no_number_is_told(typed: str) -> None:
    """Before anything is read."""
    with pytest.raises(CliError, match="no tracking number"):
        report_id_of(typed)


def test_a_deadline_at_midnight_is_the_end_of_the_day_before() -> None:
    """A deadline is the end of working day N, local time."""
    zone = NAMES.zone(b.HSU)
    assert deadline(b.at(60 * 12), zone) == "2025-03-03 24:00 WITA"
    assert deadline(b.at(60 * 12) - timedelta(minutes=1), zone) == "2025-03-03 23:59 WITA"
    assert moment(b.NOON, zone) == "2025-03-03 12:00:00"


def test_nothing_that_a_terminal_would_obey_is_printed() -> None:
    """Neither escapes nor a turned direction of writing."""
    assert plain("a\x1b[31mb\x00\x9b\u202ec\ud800d\ne") == "a�[31mb���c�d⏎e"


def test_advice_keeps_the_fields_that_the_sender_was_told_of() -> None:
    """In English, whatever language the gateway answered in."""
    assert why("blank_text", "Isian wajib hanya berisi spasi; tuliskan isinya. [title]") == (
        "A required text is blank; write something. [title]"
    )
    assert why("brand_new", "apa pun") == "apa pun"
