"""The SLA monitor: who owes the next step by when, and who is notified as the date passes.

Decides every clock of a report from the set of its facts, whatever order they came in: deadlines
set, moved and met, warnings, escalation levels, and the ends of the reporter's windows. Reads the
streams of intake, both verifications, routing and follow-up, the registry's changes, and its own
timers; emits `DeadlineSet`, `DeadlineMoved`, `DeadlineMet`, `DeadlineApproaching`,
`DeadlineBreached`, `BreachWithdrawn` and `TimeRanOut` on `lapor.sla.v1`; owns the schema
`sla_monitor`: one case per report, its facts and what was published of its deadlines. The table of
clocks is `clocks.py`, the ledger `ledger.py`.
"""
