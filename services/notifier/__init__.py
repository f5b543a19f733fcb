"""The one way out to people: notifies reporters and role holders of what happened to a report.

Decides who is notified of which event, over which channel and when (quiet hours, retries), and
renders the message from the event itself. Keeps which dates it announced to whom, and notifies the
same people when such a date moves. Reads the facts of intake, both verifications, follow-up and the
SLA monitor; emits `NotificationRequested`, `NotificationSent` and `NotificationFailed`. Owns the
schema `notifier`: per report how its reporter is reached, which messages are due and which dates
were announced. Opens report keys (select on `vault`): for the reporter's address and for the texts
it passes on.
"""
