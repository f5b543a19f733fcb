"""The one way out to people: says what happened to a report to its reporter and to role holders.

Decides who is told of which fact, over which channel and when (quiet hours, retries), and renders
the message from the event itself. Keeps which dates it named to whom, and tells the same people
when such a date moves. Reads the facts of intake, both verifications, follow-up and the SLA
monitor; emits `NotificationRequested`, `NotificationSent` and `NotificationFailed`. Owns the
schema `notifier`: per report what its reporter may be told by, which messages are due and what was
promised. Opens report keys (select on `vault`): for the reporter's address and for the texts it
passes on.
"""
