"""Each record of an outbox is passed on, stamped and sealed, or rejected: exactly one of them."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from services.agencies.case import OutboxCase
from services.agencies.entries import refusal_of
from services.agencies.inbound import TEXT_MAX, WORDS, Lookups, decide, identify
from shared.contract import events as e
from shared.contract.reasons import REASONS
from shared.contract.topics import COMMANDS
from shared.contract.tracking import is_report_id
from shared.rules.decision import Cause, Decision, Unreadable
from tests.unit.agencies.builders import (
    BANDUNG,
    HSU,
    INSTITUTIONS,
    KEY,
    NATIONAL,
    OTHER,
    REPORT,
    a_cause,
    a_command,
    sender_of,
)

LOOKUPS = Lookups(
    keys={REPORT: KEY},
    erased=frozenset({OTHER}),
    institutions=INSTITUTIONS,
    units=frozenset({"6308-001", "6308-002", "3204-001"}),
    categories=frozenset({"110"}),
    places=frozenset({"63.08"}),
)
NEVER_NATIONAL = (
    e.Accept, e.ReturnReport, e.Reclassify, e.Dispatch, e.InitialResponse, e.FollowUp,
    e.ReturnToInstitution, e.CloseCase,
)  # fmt: skip


def only(decision: Decision[OutboxCase]) -> BaseModel:
    """Return the one event of a decision."""
    (outgoing,) = decision.events
    return outgoing.event


def give(command: e.Command, case: OutboxCase | None = None, **cause: Any) -> BaseModel:
    """Decide a command of a sender who may give it."""
    fields = {"producer": sender_of(type(command)), "report_id": command.report_id, **cause}
    return only(decide(case, command, a_cause(type(command), **fields), LOOKUPS))


def rejected(event: BaseModel, entry: str = "command_rejected") -> str:
    """Return the reason of a rejection that says what to do."""
    assert isinstance(event, e.InboxEntry)
    assert event.entry == entry
    assert event.text is not None
    assert event.reason is not None
    assert event.text.startswith(REASONS[event.reason].id)
    return event.reason


@pytest.mark.parametrize("command", COMMANDS)
def test_a_sound_command_goes_on_stamped_and_sealed(command: type[e.Command]) -> None:
    """Institution and message id are the topic's and the header's; words open with the key."""
    given_ = a_command(command, institution="9999", message_id="forged")
    taken = give(given_)

    assert type(taken) is command
    assert isinstance(taken, e.Command)
    assert (taken.institution, taken.message_id) == (sender_of(command), "c-1")
    field = WORDS.get(command)
    if field:
        assert KEY.open(field, getattr(taken, field)) == getattr(given_, field)
    unsealed = {"institution", "message_id", field or ""}
    assert taken.model_dump(exclude=unsealed) == given_.model_dump(exclude=unsealed)
    assert command.model_validate_json(taken.model_dump_json(exclude_none=True)) == taken


def test_every_field_of_words_is_sealed() -> None:
    """A command that gets a second one would fail here."""
    for command in COMMANDS:
        wordy = {
            name for name, field in command.model_fields.items() if "SealMarker" in repr(field)
        }
        assert wordy == ({WORDS[command]} if command in WORDS else set()), command


@pytest.mark.parametrize("command", [e.Forward, e.Archive, e.Accept, e.CloseCase])
def test_words_may_be_absent(command: type[e.Command]) -> None:
    """Then there is nothing to seal."""
    assert getattr(give(a_command(command, note=None)), "note", "") is None


@pytest.mark.parametrize(
    ("command", "producer"),
    [
        *((command, HSU) for command in (e.Forward, e.Block)),
        *((command, NATIONAL) for command in NEVER_NATIONAL),
    ],
)
def test_what_is_not_yours_to_give_is_rejected(command: type[e.Command], producer: str) -> None:
    """Only 00 forwards and blocks; 00 does not do an institution's work."""
    assert rejected(give(a_command(command), producer=producer)) == "not_yours_to_give"


@pytest.mark.parametrize("command", [e.AskForInformation, e.Archive])
@pytest.mark.parametrize("producer", [NATIONAL, HSU])
def test_both_may_ask_and_archive(command: type[e.Command], producer: str) -> None:
    """Each in its own stage."""
    assert type(give(a_command(command), producer=producer)) is command


@pytest.mark.parametrize(
    ("command", "changes", "reason"),
    [
        (e.FollowUp, {"text": "a\x00b"}, "control_characters"),
        (e.FollowUp, {"by": "officer\x1b"}, "control_characters"),
        (e.FollowUp, {"text": " \n "}, "blank_text"),
        (e.FollowUp, {"by": " "}, "blank_text"),
        (e.FollowUp, {"text": "x" * (TEXT_MAX + 1)}, "text_too_long"),
        (e.Forward, {"to": "9999"}, "unknown_institution"),
        (e.Forward, {"to": NATIONAL}, "forward_to_itself"),
        (e.ReturnReport, {"proposed_owner": "9999"}, "unknown_institution"),
        (e.Accept, {"category_id": "999"}, "unknown_category"),
        (e.Accept, {"place_code": "99"}, "unknown_place"),
        (e.Reclassify, {"category_id": "999"}, "unknown_category"),
        (e.Archive, {"reason": "duplicate", "duplicate_of": REPORT}, "duplicate_of_itself"),
        (e.Dispatch, {"unit": "6308-999"}, "unknown_unit"),
        (e.Dispatch, {"unit": "3204-001"}, "not_your_unit"),
        (e.FollowUp, {"unit": "3204-001"}, "not_your_unit"),
        (e.ReturnToInstitution, {"proposed_unit": "6308-999"}, "unknown_unit"),
        (e.ReturnToInstitution, {"proposed_unit": "3204-001"}, "not_your_unit"),
        (e.Forward, {"report_id": "000000000000"}, "unknown_report"),
        (e.Block, {"report_id": OTHER}, "erased"),
    ],
)
def test_a_faulty_command_is_rejected_with_its_reason(
    command: type[e.Command], changes: dict[str, object], reason: str
) -> None:
    """To its sender, who finds it by the message id."""
    event = give(a_command(command, **changes))
    assert rejected(event) == reason
    assert isinstance(event, e.InboxEntry)
    assert (event.institution, event.message_id) == (sender_of(command), "c-1")


@pytest.mark.parametrize("text", ["x" * TEXT_MAX, "\U0001f600" * TEXT_MAX, "satu\r\ndua\tx"])
def test_the_longest_text_fits_its_seal(text: str) -> None:
    """Even of four bytes a character."""
    taken = give(a_command(e.FollowUp, text=text))
    assert e.FollowUp.model_validate_json(taken.model_dump_json()) == taken


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ({"message_id": ""}, "missing_message_id"),
        ({"message_id": "x" * 129}, "message_id_invalid"),
        ({"message_id": "a\x00"}, "message_id_invalid"),
    ],
)
def test_a_command_without_usable_id_is_told_where_it_lies(
    cause: dict[str, Any], reason: str
) -> None:
    """Its place in the topic stands in for its id."""
    event = give(a_command(e.FollowUp), **cause)
    assert rejected(event) == reason
    assert isinstance(event, e.InboxEntry)
    assert "lapor.agency.6308.outbox.v1/0/7" in (event.text or "")


@pytest.mark.parametrize("producer", ["9999", "no-code"])
def test_an_unregistered_sender_is_rejected(producer: str) -> None:
    """To the national admin: no inbox of its own may exist."""
    event = give(a_command(e.FollowUp), producer=producer)
    assert rejected(event) == "unknown_sender"
    assert isinstance(event, e.InboxEntry)
    assert event.institution == NATIONAL


def test_what_cannot_be_read_is_rejected() -> None:
    """Under a report id of its own."""
    unreadable = Unreadable(reason="invalid_fields", detail="report_id: Field required")
    cause = a_cause(report_id=identify(unreadable, a_cause()))
    event = only(decide(None, unreadable, cause, LOOKUPS))
    assert isinstance(event, e.InboxEntry)
    assert rejected(event) == "invalid_fields"
    assert "report_id: Field required" in (event.text or "")
    assert event.report_id == cause.report_id
    assert is_report_id(event.report_id)


def test_the_same_command_twice_is_passed_on_once() -> None:
    """The second is answered too."""
    taken = decide(None, a_command(e.FollowUp), a_cause(), LOOKUPS)
    again = a_cause(id="gateway-1@0.9", is_repeat=True)
    assert rejected(only(decide(taken.case, a_command(e.FollowUp), again, LOOKUPS))) == "repeated"


def test_a_rejected_command_is_remembered_nowhere_and_taken_when_it_comes_again() -> None:
    """The operator may have registered the unit in between."""
    poor = Lookups(keys={REPORT: KEY}, institutions=INSTITUTIONS)
    first = decide(None, a_command(e.FollowUp), a_cause(), poor)
    assert rejected(only(first)) == "unknown_unit"
    assert (first.refused, first.case) == (True, None)
    second = decide(first.case, a_command(e.FollowUp), a_cause(), LOOKUPS)
    assert isinstance(only(second), e.FollowUp)
    assert not second.refused


@pytest.mark.parametrize("report", ["000000000000", OTHER])
@pytest.mark.parametrize("producer", [HSU, BANDUNG])
def test_an_outsider_cannot_learn_at_the_gateway_which_reports_exist(
    report: str, producer: str
) -> None:
    """Unknown or erased, the answer is what the core gives to who does not hold a report."""
    command = a_command(e.Archive, report_id=report, holding=3)
    event = give(command, producer=producer)
    assert rejected(event, "command_refused") == "not_the_holder"
    refusal = e.CommandRefused(
        report_id=report, institution=producer, message_id="c-1", refused="x", command="Archive",
        holding=3, reason="not_the_holder",
    )  # fmt: skip
    assert event == refusal_of(refusal)


# ---- for any record

ANY: tuple[type[e.Command], ...] = COMMANDS
LETTERS = st.text(alphabet=string.ascii_letters + " \x00\n\r\u20ac", min_size=1, max_size=60)


@st.composite
def commands(draw: st.DrawFn) -> e.Command:
    """Draw a command with any words and codes that its model takes."""
    command = draw(st.sampled_from(ANY))
    changes: dict[str, object] = {
        "report_id": draw(st.sampled_from([REPORT, OTHER, "000000000000"])),
        "by": draw(LETTERS),
        "institution": draw(st.sampled_from([NATIONAL, HSU, BANDUNG])),
    }
    field = WORDS.get(command)
    if field:
        changes[field] = draw(LETTERS)
    if "unit" in command.model_fields:
        changes["unit"] = draw(st.sampled_from(["6308-001", "3204-001", "9999-999"]))
    return a_command(command, **changes)


CAUSES = st.builds(
    lambda command, producer, message_id, repeat: a_cause(
        command, producer=producer, message_id=message_id, is_repeat=repeat,
        id="gateway-1@0.9" if repeat else "gateway-1",
    ),
    st.sampled_from(COMMANDS), st.sampled_from([NATIONAL, HSU, BANDUNG, "9999", "x-y", "٦٣"]),
    st.sampled_from(["c-1", ""]) | st.text(), st.booleans(),
)  # fmt: skip
UNREADABLE = st.builds(Unreadable, reason=st.text(max_size=20), detail=st.none() | st.text())


@given(event=commands() | UNREADABLE, cause=CAUSES, has_case=st.booleans())
def test_every_record_gets_exactly_one_answer(
    event: BaseModel, cause: Cause, *, has_case: bool
) -> None:
    """Whatever it holds, and the same each time."""
    case = OutboxCase() if has_case else None
    cause = cause._replace(report_id=identify(event, cause))
    decision = decide(case, event, cause, LOOKUPS)
    published = only(decision)
    assert decision == decide(case, event, cause, LOOKUPS)
    assert isinstance(published, e.Event)
    assert published.report_id == identify(event, cause)
    written = published.model_dump_json(exclude_none=True)
    assert type(published).model_validate_json(written) == published
    if isinstance(published, e.Command):
        assert published.institution == cause.producer
    assert isinstance(decision.case, OutboxCase) or not isinstance(published, e.Command)
    assert decision.refused or isinstance(published, e.Command) or cause.is_repeat
    assert not decision.refused or decision.case is case


@given(
    command=st.sampled_from([c for c in COMMANDS if c in WORDS]),
    words=st.text(alphabet=string.ascii_letters + " ", min_size=12).filter(str.strip),
    report=st.sampled_from([REPORT, OTHER]),
)
def test_words_never_leave_in_the_clear(command: type[e.Command], words: str, report: str) -> None:
    """Neither in an event's JSON, nor in its repr, nor in the case, taken or rejected."""
    event = a_command(command, report_id=report, **{WORDS[command]: words})
    cause = a_cause(command, producer=sender_of(command))
    decision = decide(None, event, cause, LOOKUPS)
    published = only(decision)
    assert words not in repr(decision)
    assert words not in published.model_dump_json()
