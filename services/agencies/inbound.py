"""Is this command well formed and its sender's to give? Pure: keys and registry are arguments.

Whether it fits the report as it stands is for the stage that answers it; here it is checked,
stamped with who sent it, and sealed word by word under the name of the field the words stand in.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, ConfigDict

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


class Gateway(BaseModel):
    """What the gateway in remembers of an institution and a report: nothing but the ids it took."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Known:
    """What the shell looked up for a batch: keys of the reports named, and the registry's codes."""

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


def decide(case: Gateway | None, event: BaseModel, cause: Cause, known: Known) -> Decision[Gateway]:
    """Pass a command on, stamped and sealed, or reject it; one answer to each record.

    Who holds a report only the core knows. So a report that nobody knows is answered as the core
    answers whoever does not hold it: nobody finds out by asking which reports exist. 00 has to do
    with every report and is told.
    """
    match event:
        case Unreadable():
            return _reject(case, event, cause, known, Fault(event.reason, event.detail))
        case e.Command():
            fault = (
                _fault_of_count(cause)
                or _fault_of_sender(event, cause, known)
                or _fault_of_text(event)
                or _fault_of_codes(event, cause, known)
                or _fault_of_report(event, known)
            )
            if fault is None and cause.is_repeat:
                fault = Fault("repeated")
            if fault is None:
                return decided(case or Gateway(), _stamped(event, cause, known))
            if fault.reason in UNKNOWN and cause.producer != NATIONAL:
                return refused(case, _not_the_holder(event, cause))
            return _reject(case, event, cause, known, fault)
    return decided(case)


def _stamped(command: e.Command, cause: Cause, known: Known) -> e.Command:
    """Say again what was said: by whom it was said, and with its words sealed."""
    changed: dict[str, object] = {"institution": cause.producer, "message_id": cause.message_id}
    field_name = WORDS.get(type(command))
    words = getattr(command, field_name) if field_name else None
    if field_name and words:
        sealed = known.keys[command.report_id].seal(field_name, text_checks.unix_lines(words))
        changed[field_name] = sealed
    return command.model_copy(update=changed)


def _fault_of_count(cause: Cause) -> Fault | None:
    return Fault("too_many_messages") if cause.is_full else None


def _fault_of_sender(command: e.Command, cause: Cause, known: Known) -> Fault | None:
    if cause.producer not in known.institutions:
        return Fault("unknown_sender")
    bad_id = text_checks.message_id_fault(cause.message_id)
    if bad_id is not None:
        return Fault(bad_id)
    is_national = cause.producer == NATIONAL
    if isinstance(command, _NEVER_NATIONAL if is_national else _ONLY_NATIONAL):
        return Fault("not_yours_to_give")
    return None


def _fault_of_text(command: e.Command) -> Fault | None:
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


def _fault_of_codes(command: e.Command, cause: Cause, known: Known) -> Fault | None:
    match command:
        case e.Forward():
            if command.to == NATIONAL:
                return Fault("forward_to_itself", "to")
            return _unknown_institution("to", command.to, known)
        case e.ReturnReport():
            return _unknown_institution("proposed_owner", command.proposed_owner, known)
        case e.Archive() if command.duplicate_of == command.report_id:
            return Fault("duplicate_of_itself", "duplicate_of")
        case e.Accept():
            if command.place_code is not None and command.place_code not in known.places:
                return Fault("unknown_place", "place_code")
            return _unknown_category(command.category_id, known)
        case e.Reclassify():
            return _unknown_category(command.category_id, known)
        case e.ReturnToInstitution():
            return _fault_of_unit("unit", command.unit, cause, known) or _fault_of_unit(
                "proposed_unit", command.proposed_unit, cause, known
            )
        case e.Dispatch() | e.UnitCommand():
            return _fault_of_unit("unit", command.unit, cause, known)
    return None


def _unknown_institution(name: str, code: str | None, known: Known) -> Fault | None:
    if code is not None and code not in known.institutions:
        return Fault("unknown_institution", name)
    return None


def _unknown_category(category_id: str | None, known: Known) -> Fault | None:
    if category_id is not None and category_id not in known.categories:
        return Fault("unknown_category", "category_id")
    return None


def _fault_of_unit(name: str, unit: str | None, cause: Cause, known: Known) -> Fault | None:
    if unit is None:
        return None
    if unit not in known.units:
        return Fault("unknown_unit", name)
    if not unit.startswith(f"{cause.producer}-"):
        return Fault("not_your_unit", name)
    return None


def _fault_of_report(command: e.Command, known: Known) -> Fault | None:
    if command.report_id in known.keys:
        return None
    return Fault("erased" if command.report_id in known.erased else "unknown_report", "report_id")


def _reject(
    case: Gateway | None, event: BaseModel, cause: Cause, known: Known, fault: Fault
) -> Decision[Gateway]:
    """Say why not, to the sender; to the national admin where the sender has no inbox.

    A repeat is the sender's right and no sign that something is wrong with it.
    """
    said = e.InboxEntry(
        report_id=identify(event, cause),
        institution=cause.producer if cause.producer in known.institutions else NATIONAL,
        entry="command_rejected",
        message_id=cause.message_id[: text_checks.MESSAGE_ID_MAX] or None,
        reason=fault.reason,
        text=f"{advice(fault.reason, 'id', fault.fields)}{_place(cause)}",
    )
    return decided(case, said) if fault.reason == "repeated" else refused(case, said)


def _not_the_holder(command: e.Command, cause: Cause) -> e.InboxEntry:
    """Answer as the core does, through the gateway out, for a report that is another's."""
    return e.InboxEntry(
        report_id=command.report_id,
        institution=cause.producer,
        entry="command_refused",
        holding=command.holding,
        message_id=cause.message_id,
        reason=NOT_THE_HOLDER,
        text=advice(NOT_THE_HOLDER),
    )


def _place(cause: Cause) -> str:
    """Name the record's place where its id cannot name it."""
    if text_checks.message_id_fault(cause.message_id) is None:
        return ""
    return f" ({cause.topic}/{cause.partition}/{cause.offset})"
