"""What the demo's channel adapter sends: sound reports of our own, and bad ones by name."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from deploy.actors import export
from deploy.actors.channel_client import bad_inputs, letter_of, submission
from deploy.actors.script import ReportScript
from deploy.demo.mail import subject
from deploy.demo.run import DemoOptions, cast, clock_from, span_of
from services.intake.validation import RegisteredCodes, submission_fault
from shared.contract.events import SubmitReport
from shared.rules.decision import Cause
from shared.vault.crypto import Vault


@pytest.fixture(scope="module")
def some() -> tuple[ReportScript, ...]:
    """Return a thinned year."""
    return cast(DemoOptions(reports=40)).lives


def test_every_report_of_the_demo_is_one_that_intake_takes(some: tuple[ReportScript, ...]) -> None:
    """Titles, bodies and codes keep to the limits of the gateway."""
    prepared = cast(DemoOptions(reports=40))
    registry = prepared.registry
    codes = RegisteredCodes(registry.institutions, registry.categories, registry.places)
    for life in some:
        cause = Cause("i", "t", life.submitted_at + timedelta(minutes=1), "topic", 0, 0)
        sent = SubmitReport.model_validate_json(letter_of(life).value)
        assert submission_fault(sent, cause, codes) is None


def test_the_demo_knows_its_reports_by_the_ids_of_the_stack_that_it_plays_on() -> None:
    """Without the stack's key nobody can tell them; what is sent stays as it is."""
    prepared, vault = cast(DemoOptions(reports=40)), Vault(b"m" * 32)
    named = prepared.on(vault)
    assert named.letters == prepared.letters
    assert set(named.by_report) == {vault.report_id(x.channel, x.message_id) for x in named.lives}
    assert not set(named.by_report) & set(prepared.by_report)
    foreign = next(b for b in named.bad_commands if b.reason == "not_the_holder")
    assert json.loads(foreign.letter.value)["report_id"] in named.by_report


def test_reporters_are_fictitious_and_reached_at_an_example_domain(
    some: tuple[ReportScript, ...],
) -> None:
    """No phone, no real address: RFC 2606 keeps `.example` for this."""
    for life in some:
        reporter = submission(life).reporter
        assert reporter.phone is None
        assert (reporter.email or "").endswith("@warga.example")


def test_a_duplicate_reads_like_what_it_repeats(some: tuple[ReportScript, ...]) -> None:
    """The same author sends the same text under another message id."""
    by_id = {life.message_id: life for life in some}
    again = [life for life in some if life.duplicate_of]

    assert again
    for life in again:
        assert submission(life).body == submission(by_id[life.duplicate_of or ""]).body
        assert submission(life).reporter == submission(by_id[life.duplicate_of or ""]).reporter


def test_each_bad_input_has_a_name_and_a_reason(some: tuple[ReportScript, ...]) -> None:
    """The ids differ, so that each has its own answer."""
    bad = bad_inputs(submission(some[0]))

    assert len({each.letter.message_id for each in bad}) == len(bad)
    assert all(each.reason for each in bad)


def test_the_year_takes_its_seconds_on_the_scaled_clock() -> None:
    """It begins at the real time given, and runs on for a while after its end."""
    options = DemoOptions(seconds=90)
    real = datetime(2030, 1, 1, tzinfo=UTC)
    clock = clock_from(real, options)
    span = span_of(clock.business_origin, options)

    assert clock.at(real) == span.begins == datetime(2023, 1, 1, tzinfo=UTC)
    assert abs(clock.real(span.year_ends) - real - timedelta(seconds=90)) < timedelta(seconds=0.1)
    assert timedelta(days=50) < span.ends - span.year_ends < timedelta(days=60)


def test_the_export_names_its_years() -> None:
    """The command says which years there are."""
    assert export.years() == (2021, 2022, 2023)


@pytest.mark.parametrize(("raw", "said"), [
        (b"Subject: Laporan Anda telah ditutup\r\n\r\nx", "Laporan Anda telah ditutup"),
        (b"Subject: =?utf-8?q?Batas_waktu_mendekat=3A?= K7QF\r\n\r\nx", "Batas waktu mendekat"),
        (b"Subject: Laporan Anda\r\n diteruskan ke Kab. Bandung\r\n\r\n",
         "Laporan Anda diteruskan ke"),
        (b"\r\nno subject", ""),
    ])  # fmt: skip
def test_mail_is_counted_by_what_it_is_about(raw: bytes, said: str) -> None:
    """Names and numbers would make each subject one of its own."""
    assert subject(raw) == said
