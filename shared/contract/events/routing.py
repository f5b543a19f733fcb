"""Which unit has a report: `lapor.routing.v1`."""

from typing import Literal

from shared.contract.events.fields import Event, InstitutionCode, ReportClass, UnitCode


class ReportDispatched(Event):
    """The report is with a unit (Terdisposisi ke); `dispatch` counts within the holding."""

    institution: InstitutionCode
    holding: int
    dispatch: int
    unit: UnitCode
    rule: str
    why: str
    by: str
    final: bool = False
    report_class: ReportClass


class RoutingHeld(Event):
    """No rule names a unit; the institution's admin has to."""

    institution: InstitutionCode
    holding: int
    reason: Literal["nothing_fits", "returned_twice", "unit_unknown"]
    tried: tuple[UnitCode, ...] = ()
