"""The SLA monitor's clocks, deadlines, ledger and calendar, without I/O."""
