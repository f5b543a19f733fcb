"""Nothing personal leaves a gateway in the clear; an inbox shows what its institution may see."""

import re
from typing import Any

import pytest

from shared.contract import events as e
from shared.contract.topics import ANSWERS, INBOX, OUTBOX, SUBMISSIONS
from tests.pipeline import reading
from tests.pipeline.harness import Harness
from tests.pipeline.stories import ADMIN, BANDUNG, HSU, followed_up, forwarded, held, send, write

WHO = e.Reporter(
    name="Maryam Binti Dullah", phone="+6281255501234", email="maryam.d@warga.example",
    sender_id="akun-maryam", webhook="https://maryam.example/kabar",
)  # fmt: skip
SECRETS = (
    "Maryam", "Dullah", "81255501234", "maryam.d", "akun-maryam", "maryam.example", "Sakurata",
    "takut lewat", "toko Makmur", "tetangga", "ganti lampunya", "provinsi", "kabelnya", "Gelap",
    "session-of", "10.1.2.3", "c0ffee", "vendor=17", "amuntai", "kunci-warga",
)  # fmt: skip
SENDERS_OWN = {
    "correlationid": b"session-of-akun-maryam@10.1.2.3",
    "traceparent": b"00-c0ffeec0ffeec0ffeec0ffeec0ffeec0-c0ffeec0ffeec0ff-01",
    "tracestate": b"vendor=17", "ce_subject": b"Maryam", "ce_source": b"/akun-maryam",
    "causationid": b"session-of-x",
}  # fmt: skip
PHONE_MESSAGE_ID = "WA-6281255501234-3EB0F1"
"""A message id as SMS gateways make them: with the phone number."""
BODY = "Lampu penerangan jalan umum di depan rumah Bu Sakurata di Amuntai padam, kami takut lewat."
GATEWAYS = tuple(re.compile(stream.pattern) for stream in (SUBMISSIONS, ANSWERS, OUTBOX, INBOX))


def a_whole_life(harness: Harness) -> str:
    """Let everybody write all the words they can, and more into ids, keys and headers."""
    harness.headers, harness.key = SENDERS_OWN, b"kunci-warga"
    report = forwarded(
        harness, reporter=WHO, body=BODY, place="Gelap sekali di sini", message_id=PHONE_MESSAGE_ID,
        anonymous=True, confidential=True,
    )  # fmt: skip
    write(harness, e.WithdrawReport, report, message_id=f"{PHONE_MESSAGE_ID}-x", secret="salah")
    harness.put_raw(SUBMISSIONS, "website", b"", f"{PHONE_MESSAGE_ID}-y", "unreadable")
    send(harness, HSU, e.AskForInformation, report, question="Dekat toko Makmur?")
    write(
        harness,
        e.CompleteInformation,
        report,
        text="Ya, kata tetangga.",
        message_id=f"{PHONE_MESSAGE_ID}-2",
    )
    send(harness, HSU, e.ReturnReport, report, reason="Jalan provinsi.")
    send(harness, ADMIN, e.Forward, report, to=HSU, note="Tetap tetangga.")
    send(harness, HSU, e.Accept, report, report_class=e.ReportClass.SUPERVISED, note="Sakurata.")
    send(harness, HSU, e.Reclassify, report, report_class=e.ReportClass.ASPIRATION, why="tetangga")
    send(harness, HSU, e.InitialResponse, report, text="Akan kami ganti lampunya.")
    send(harness, HSU, e.ReturnToInstitution, report, reason="Milik provinsi.")
    send(harness, HSU, e.FollowUp, report, text="Sudah kami ganti lampunya.")
    write(harness, e.ReplyToFollowUp, report, text="Kabelnya masih, kabelnya.")
    send(harness, HSU, e.FollowUp, report, text="Juga kabelnya.")
    write(harness, e.CloseReport, report, rating=5, solved=True, text="Terima kasih, Sakurata.")
    write(harness, e.ReopenReport, report, text="Gelap lagi.")
    send(harness, ADMIN, e.Block, report, reason="Menyebut Maryam.")
    harness.put_raw(SUBMISSIONS, "website", b'{"title": "Maryam"', "m-x", "unreadable")
    harness.wait(days=60)
    return report


def test_no_record_behind_the_gateways_holds_a_word_of_anybody(harness: Harness) -> None:
    """Every topic but the gateways' own, headers and keys too, over a whole life with all words."""
    report = a_whole_life(harness)
    assert harness.status(report).national == "blocked"
    assert {x.text for x in harness.inbox(HSU)} >= {"Ya, kata tetangga.", "Gelap lagi."}
    wanted = re.compile("|".join(SECRETS).encode(), re.IGNORECASE)
    looked = 0
    for partition, log in harness.broker.logs.items():
        if any(gateway.match(partition.topic) for gateway in GATEWAYS):
            continue
        for record in log:
            looked += 1
            headers = (part for name, value in record.headers for part in (name.encode(), value))
            everything = (record.value or b"", record.key or b"", *headers)
            assert not [x for x in everything if wanted.search(x)], record
    assert looked > 60


def test_an_outsider_cannot_read_a_session_of_an_anonymous_reporter_in_an_inbox(
    harness: Harness,
) -> None:
    """The accused institution may share a portal or a tracing system with the channel."""
    harness.headers, harness.key = SENDERS_OWN, b"kunci-warga"
    report = forwarded(harness, reporter=WHO, message_id=PHONE_MESSAGE_ID, anonymous=True)
    assert harness.answers()[0].message_id == PHONE_MESSAGE_ID
    for record in harness.broker.read(INBOX.topic(HSU)):
        headers = dict(record.headers)
        assert headers["correlationid"] == report.encode()
        assert "traceparent" not in headers
        everything = b" ".join((record.key or b"", record.value or b"", *headers.values()))
        assert not re.search(b"maryam|81255501234|session|c0ffee|kunci", everything.lower())


def test_a_correlation_id_of_an_institution_comes_back_to_it_alone(harness: Harness) -> None:
    """What an officer's program notes is not the next holder's to read."""
    report = held(harness)
    harness.headers = {"correlationid": b"officer-7"}
    send(harness, ADMIN, e.Forward, report, to=HSU)
    harness.headers = {"correlationid": b"clerk-12"}
    send(harness, HSU, e.Accept, report, report_class=e.ReportClass.ASPIRATION)
    seen = {
        code: {dict(record.headers)["correlationid"] for record in harness.broker.read(topic)}
        for code in (ADMIN, HSU)
        if (topic := INBOX.topic(code))
    }
    assert seen == {ADMIN: {b"officer-7", report.encode()}, HSU: {b"clerk-12", report.encode()}}


def test_nothing_that_is_left_of_an_erased_report_tells_what_it_said(harness: Harness) -> None:
    """Of a *rahasia* report that named its subject: the words of screening are sealed too."""
    report = harness.submit(
        title="Pungli uji kir", body="Petugas minta uang, pungutan liar saat uji kir di Amuntai.",
        confidential=True, reporter=WHO,
    )  # fmt: skip
    harness.run()
    (received,) = harness.of(e.ReportReceived, report)
    assert received.screening.category is not None
    assert received.screening.category.why
    for stream in reading.CORE:
        for record in harness.broker.read(stream.topic()):
            assert not re.search(b"pungutan|pungli|uang|amuntai|kir", (record.value or b"").lower())


def test_no_case_holds_a_word_of_anybody(harness: Harness) -> None:
    """What the stages keep is sealed too, but for what nobody can read back."""
    report = forwarded(harness, reporter=WHO, body=BODY)
    send(harness, HSU, e.Accept, report, report_class=e.ReportClass.ASPIRATION, note="Sakurata")
    send(harness, HSU, e.FollowUp, report, text="Sudah kami ganti lampunya.")
    wanted = re.compile("|".join(SECRETS), re.IGNORECASE)
    for name, process in harness.processes.items():
        for stored in process.state.kept.values():
            assert stored.case is not None
            assert not wanted.search(stored.case.model_dump_json()), name


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ({}, True),
        ({"confidential": True}, True),
        ({"anonymous": True}, False),
        ({"anonymous": True, "confidential": True}, False),
    ],
)
def test_who_is_anonymous_is_shown_to_the_platform_alone(
    harness: Harness, flags: dict[str, Any], shown: object
) -> None:
    """`rahasia` hides the content from the public, not from who has to act; it is marked."""
    forwarded(harness, reporter=WHO, **flags)
    views = {
        code: x.report for code in (ADMIN, HSU) for x in harness.inbox(code) if x.report is not None
    }
    assert (views[ADMIN].reporter, views[ADMIN].contact) == (WHO.name, WHO.phone)
    at_hsu = (views[HSU].reporter, views[HSU].contact)
    assert at_hsu == ((WHO.name, WHO.phone) if shown else (None, None))
    assert views[HSU].body == views[ADMIN].body is not None
    for view in views.values():
        assert (view.anonymous, view.confidential) == (
            flags.get("anonymous", False), flags.get("confidential", False),
        )  # fmt: skip
    if not shown:
        for record in harness.broker.read(INBOX.topic(HSU)):
            assert b"Maryam" not in (record.value or b"")


def test_an_institution_sees_a_report_only_while_it_holds_it(harness: Harness) -> None:
    """Before its forward and after its return nothing; another institution never anything."""
    report = held(harness)
    assert harness.inbox(HSU) == []
    send(harness, ADMIN, e.Forward, report, to=HSU)
    send(harness, HSU, e.ReturnReport, report, reason="Bukan kami.")
    seen = len(harness.inbox(HSU))
    send(harness, ADMIN, e.Forward, report, to=BANDUNG)
    write(harness, e.CompleteInformation, report, text="Di Soreang.")
    send(harness, BANDUNG, e.Accept, report, report_class=e.ReportClass.ASPIRATION)
    harness.wait(days=30)
    assert harness.inbox(HSU)[seen:] == []
    assert {x.institution for x in harness.inbox(BANDUNG)} == {BANDUNG}


def test_an_erased_report_goes_on_without_its_words(harness: Harness) -> None:
    """The key is destroyed: facts and deadlines remain, texts are gone, nothing breaks."""
    report = followed_up(harness)
    harness.lookups.erase(report)
    harness.wait(days=15)
    assert harness.status(report) == ("closed", "closed", "closed", "closed")
    message = send(harness, HSU, e.FollowUp, report, text="Lagi.")
    assert harness.agency(HSU).answers_to(message) == ["command_refused:not_the_holder"]
    told = [n for n in harness.of(e.NotificationFailed, report) if n.template == "closed"]
    assert [n.reason for n in told] == ["no_key"]
    assert harness.dead() == []
