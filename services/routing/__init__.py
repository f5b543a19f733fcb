"""Routing: which unit of the institution gets the report.

Decides, for the report in its current holding, the unit and the rule that named it, most specific
first (`directory.py`), and again after a unit gave it back; after two returns, or where no rule
names a unit, the institution's admin does (`Dispatch`). Reads the institutions' verification, the
ends of the national one, units' returns and closings of the follow-up, and the command `Dispatch`;
emits `ReportDispatched`, `RoutingHeld` and `CommandRefused` on `lapor.routing.v1`; owns the schema
`routing`: one case per report, with the units tried in this holding.
"""
