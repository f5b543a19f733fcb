"""What intake puts together for a batch: fingerprints, reports that read alike, suggestions."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from services.intake import app
from services.intake.duplicates import Candidate, fingerprint
from services.intake.lookups import LookupLoader, SoundSubmission
from services.intake.rules import Lookups, decide
from services.intake.screening import Suggestions
from services.intake.store import BANDS, STORE
from services.intake.words import words
from shared.contract import events as e
from shared.registry import load
from shared.runtime.reader import Inbound
from tests.unit.intake.builders import (
    CODES,
    KEY,
    NOON,
    REPORT,
    VAULT,
    a_cause,
    a_message,
    a_submission,
    identified,
    received,
    the_model,
)

LOADER = LookupLoader(VAULT, CODES, lambda _event, _words: Suggestions())
LONG = "Lampu jalan di depan pasar padam sejak hari Senin dan warga takut lewat di malam hari."
ANOTHER = "Sekolah kami kekurangan guru matematika dan anak anak belajar sendiri sudah dua bulan."


def an_inbound(number: int, event: e.SubmitReport | e.ReporterMessage) -> Inbound:
    """Build a record of a batch as the shell reads it."""
    cause = a_cause(type(event), id=f"gateway-{number}", message_id=f"m-{number}", offset=number)
    cause = identified(event, cause)
    record: Any = None
    return Inbound(record, event, cause, cause.report_id, b"")


def look_up(
    batch: Sequence[Inbound], stored: Mapping[int, Sequence[Candidate]] | None = None
) -> Lookups:
    """Put together a batch's lookups, without a database."""
    faults = LOADER.find_faults(batch)
    return LOADER.collect(batch, faults, sound(batch), {REPORT: KEY}, stored or {})


def sound(batch: Sequence[Inbound]) -> list[SoundSubmission]:
    """List a batch's submissions without fault."""
    return LOADER.sound_submissions(batch, LOADER.find_faults(batch))


def similar(lookups: Lookups, number: int) -> list[str]:
    """List the reports that a submission of the batch reads like."""
    return [one.report_id for one in lookups.screened[f"gateway-{number}"].screening.similar]


def test_reports_of_one_batch_are_found_alike_by_those_after_them() -> None:
    """The earlier one is named, never the later, and never itself."""
    texts = [LONG, ANOTHER, LONG]
    batch = [an_inbound(n, a_submission(body=text)) for n, text in enumerate(texts)]
    lookups = look_up(batch)
    assert [similar(lookups, n) for n in range(3)] == [[], [], [batch[0].report_id]]


@pytest.mark.parametrize(("first", "second"), [*product((False, True), (False, True))])
def test_an_outsider_cannot_tie_an_anonymous_report_to_a_named_one(
    first: bool,  # noqa: FBT001  a row of a table
    second: bool,  # noqa: FBT001
) -> None:
    """No same sender where either is anonymous, nor a likeness that only one sender's may have."""
    batch = [
        an_inbound(n, a_submission(body=LONG, anonymous=anonymous))
        for n, anonymous in enumerate((first, second))
    ]
    alike = look_up(batch).screened["gateway-1"].screening.similar
    assert [similar.same_sender for similar in alike] == [not (first or second)]
    assert {submission.sender is None for submission in sound(batch)} == {first, second}


def test_a_faulty_submission_is_nobodys_likeness() -> None:
    """It becomes no report, so nothing may point to it."""
    batch = [
        an_inbound(0, a_submission(body=LONG, institution="9999")),
        an_inbound(1, a_submission(body=LONG)),
    ]
    lookups = look_up(batch)
    assert "gateway-0" not in lookups.screened
    assert similar(lookups, 1) == []


def test_a_fault_is_of_its_record_alone() -> None:
    """The same message a moment later is judged by its own time, in one batch as in two."""
    event = a_submission(submitted_at=NOON + timedelta(minutes=6))
    early = an_inbound(1, event)
    later = early._replace(cause=early.cause._replace(now=NOON + timedelta(minutes=2), offset=2))
    for batch in ([early, later], [later, early]):
        lookups = look_up(batch)
        outcomes = {
            inbound.cause.offset: decide(None, inbound.event, inbound.cause, lookups).refused
            for inbound in batch
        }
        assert outcomes == {1: True, 2: False}


def test_stored_reports_count_but_not_the_same_report() -> None:
    """A channel that sends again is not like itself."""
    batch = [an_inbound(1, a_submission(body=LONG))]
    own = fingerprint("Lampu jalan", LONG)
    stored = [
        Candidate(report, own.exact, own.simhash, own.words, None)
        for report in (batch[0].report_id, "000000000000")
    ]
    assert similar(look_up(batch, {0: stored}), 1) == ["000000000000"]


def test_what_is_looked_up_is_what_the_rule_needs() -> None:
    """For a submission and for a reporter's message, in one batch."""
    batch = [an_inbound(1, a_submission()), an_inbound(2, a_message(e.WithdrawReport))]
    lookups = look_up(batch)
    outcomes = []
    case = None
    for inbound in batch:
        decision = decide(case, inbound.event, inbound.cause, lookups)
        case = decision.case
        outcomes += [
            outgoing.event.outcome
            for outgoing in decision.events
            if isinstance(outgoing.event, e.ChannelAnswer)
        ]
    assert outcomes == ["received", "accepted"]


def test_each_band_has_a_column() -> None:
    """A case that received nothing fills none of them."""
    case = received()
    assert case.fingerprint is not None
    assert len(case.fingerprint.bands) == BANDS
    values = {name: value(case) for name, (_, value) in STORE.columns.items()}
    assert tuple(values[f"band{n}"] for n in range(BANDS)) == case.fingerprint.bands
    empty = STORE.case()
    assert {value(empty) for _, value in STORE.columns.values()} == {None}


def test_the_national_admin_is_never_suggested() -> None:
    """It hands reports on; one forwarded to it could be accepted by nobody."""
    suggest = app.suggester(load(), the_model())
    suggested = suggest(a_submission(institution="00"), words("Kepada Admin Nasional"))
    assert suggested.institution is None
    named = suggest(a_submission(), words("Kepada Pemkab Hulu Sungai Utara"))
    assert named.institution is not None
    assert named.institution.value == "6308"
