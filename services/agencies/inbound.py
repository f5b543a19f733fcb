"""Is this command well formed and its sender's to give? Pure: keys and registry are arguments.

Whether it fits the report as it stands is for the stage that answers it; here it is checked,
stamped with who sent it, and sealed word by word under the name of the field the words stand in.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel

from services.agencies.case import OutboxCase
from shared.contract import events as e
from shared.contract import text_checks, tracking
from shared.contract.reasons import Fault, advice
from shared.registry import NATIONAL
from shared.rules.decision import Cause, Decision, Unreadable, decided, refused
from shared.rules.deferral import NOT_THE_HOLDER
from shared.vault.crypto import ReportKey

TEXT_MAX: Final = 10_000  # characters: 40,000 bytes at most, which sealed still fit a `Sealed`

UNKNOWN: Final = ("unknown_report", "erased")
_ONLY_NATIONAL: Final = (e.Forward, e.Block)
_NEVER_NATIONAL: Final = (
    e.Accept, e.ReturnReport, e.Reclassify, e.Dispatch, e.UnitCommand, e.CloseCase,
)  # fmt: skip

WORDS: Final[Mapping[type[BaseModel], str]] = {
    e.Forward: "note",
    e.Block: "reason",
    e.AskForInformation: "question",
    e.Archive: "note",
    e.Accept: "note",
    e.ReturnReport: "reason",
    e.Reclassify: "why",
    e.InitialResponse: "text",
    e.FollowUp: "text",
    e.ReturnToInstitution: "reason",
    e.CloseCase: "note",
}
"""The one field of each command that holds somebody's words; `Dispatch` has none."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """What the rule may know of a batch: keys of the reports named, and the registry's codes."""

    keys: Mapping[str, ReportKey] = field(default_factory=dict)
    erased: Container[str] = field(default_factory=frozenset)
    institutions: Container[str] = field(default_factory=frozenset)
    units: Container[str] = field(default_factory=frozenset)
    categories: Container[str] = field(default_factory=frozenset)
    places: Container[str] = field(default_factory=frozenset)


def identify(event: BaseModel, cause: Cause) -> str:
    """Return the report that a command names; an id of its own for what cannot be read."""
    if isinstance(event, e.Command):
        return event.report_id
    return tracking.record_id(cause.first_id)


def decide(
    case: OutboxCase | None, event: BaseModel, cause: Cause, lookups: Lookups
) -> Decision[OutboxCase]:
    """Pass a command on, stamped and sealed, or reject it; one answer to each record.

    Who holds a report only the core knows. So a report that nobody knows is answered as the core
    answers whoever does not hold it: nobody finds out by asking which reports exist. 00 has to do
    with every report and learns it.
    """
    match event:
        case Unreadable():
            return _reject(case, cause, lookups, Fault(event.reason, event.detail))
        case e.Command():
            fault = (
                _count_fault(cause)
                or _sender_fault(event, cause, lookups)
                or _text_fault(event)
                or _codes_fault(event, cause, lookups)
                or _report_fault(event, lookups)
            )
            if fault is None and cause.is_repeat:
                fault = Fault("repeated")
            if fault is None:
                return decided(case or OutboxCase(), _stamped(event, cause, lookups))
            if fault.reason in UNKNOWN and cause.producer != NATIONAL:
                return refused(case, _not_the_holder(event, cause))
            return _reject(case, cause, lookups, fault)
    return decided(case)


def _stamped(command: e.Command, cause: Cause, lookups: Lookups) -> e.Command:
    """Return the command with its sender and its message id, and its words sealed."""
    changed: dict[str, object] = {"institution": cause.producer, "message_id": cause.message_id}
    field_name = WORDS.get(type(command))
    words = getattr(command, field_name) if field_name else None
    if field_name and words:
        sealed = lookups.keys[command.report_id].seal(field_name, text_checks.unix_lines(words))
        changed[field_name] = sealed
    return command.model_copy(update=changed)


def _count_fault(cause: Cause) -> Fault | None:
    return Fault("too_many_messages") if cause.is_full else None


def _sender_fault(command: e.Command, cause: Cause, lookups: Lookups) -> Fault | None:
    if cause.producer not in lookups.institutions:
        return Fault("unknown_sender")
    bad_id = text_checks.message_id_fault(cause.message_id)
    if bad_id is not None:
        return Fault(bad_id)
    is_national = cause.producer == NATIONAL
    if isinstance(command, _NEVER_NATIONAL if is_national else _ONLY_NATIONAL):
        return Fault("not_yours_to_give")
    return None


def _text_fault(command: e.Command) -> Fault | None:
    control = text_checks.control_fields(command)
    if control is not None:
        return Fault("control_characters", control)
    field_name = WORDS.get(type(command))
    words = getattr(command, field_name) if field_name else None
    blank = text_checks.blank_fields({"by": command.by, field_name or "": words})
    if blank is not None:
        return Fault("blank_text", blank)
    if words is not None and len(words) > TEXT_MAX:
        return Fault("text_too_long", field_name)
    return None


def _codes_fault(command: e.Command, cause: Cause, lookups: Lookups) -> Fault | None:
    match command:
        case e.Forward():
            if command.to == NATIONAL:
                return Fault("forward_to_itself", "to")
            return _unknown_institution("to", command.to, lookups)
        case e.ReturnReport():
            return _unknown_institution("proposed_owner", command.proposed_owner, lookups)
        case e.Archive() if command.duplicate_of == command.report_id:
            return Fault("duplicate_of_itself", "duplicate_of")
        case e.Accept():
            if command.place_code is not None and command.place_code not in lookups.places:
                return Fault("unknown_place", "place_code")
            return _unknown_category(command.category_id, lookups)
        case e.Reclassify():
            return _unknown_category(command.category_id, lookups)
        case e.ReturnToInstitution():
            return _unit_fault("unit", command.unit, cause, lookups) or _unit_fault(
                "proposed_unit", command.proposed_unit, cause, lookups
            )
        case e.Dispatch() | e.UnitCommand():
            return _unit_fault("unit", command.unit, cause, lookups)
    return None


def _unknown_institution(name: str, code: str | None, lookups: Lookups) -> Fault | None:
    if code is not None and code not in lookups.institutions:
        return Fault("unknown_institution", name)
    return None


def _unknown_category(category_id: str | None, lookups: Lookups) -> Fault | None:
    if category_id is not None and category_id not in lookups.categories:
        return Fault("unknown_category", "category_id")
    return None


def _unit_fault(name: str, unit: str | None, cause: Cause, lookups: Lookups) -> Fault | None:
    if unit is None:
        return None
    if unit not in lookups.units:
        return Fault("unknown_unit", name)
    if not unit.startswith(f"{cause.producer}-"):
        return Fault("not_your_unit", name)
    return None


def _report_fault(command: e.Command, lookups: Lookups) -> Fault | None:
    if command.report_id in lookups.keys:
        return None
    return Fault("erased" if command.report_id in lookups.erased else "unknown_report", "report_id")


def _reject(
    case: OutboxCase | None, cause: Cause, lookups: Lookups, fault: Fault
) -> Decision[OutboxCase]:
    """Answer why not, to the sender; to the national admin where the sender has no inbox.

    A repeat is the sender's right and no sign that something is wrong with it.
    """
    entry = e.InboxEntry(
        report_id=cause.report_id,
        institution=cause.producer if cause.producer in lookups.institutions else NATIONAL,
        entry="command_rejected",
        message_id=cause.message_id[: text_checks.MESSAGE_ID_MAX] or None,
        reason=fault.reason,
        text=f"{advice(fault.reason, 'id', fault.fields)}{_position(cause)}",
    )
    return decided(case, entry) if fault.reason == "repeated" else refused(case, entry)


def _not_the_holder(command: e.Command, cause: Cause) -> e.InboxEntry:
    """Answer as the core does, through the outbound gateway, for a report that is another's."""
    return e.InboxEntry(
        report_id=command.report_id,
        institution=cause.producer,
        entry="command_refused",
        holding=command.holding,
        message_id=cause.message_id,
        reason=NOT_THE_HOLDER,
        text=advice(NOT_THE_HOLDER),
    )


def _position(cause: Cause) -> str:
    """Name the record's position where its id cannot name it."""
    if text_checks.message_id_fault(cause.message_id) is None:
        return ""
    return f" ({cause.topic}/{cause.partition}/{cause.offset})"
