"""Follow-up: what the unit did about the report, what the reporter answered, and how it ended.

Decides whether a unit's command counts (institution, holding and unit against the current
dispatch), opens the reporter's reply window with each follow-up, closes the report by the admin,
the reporter or, when the window ran out, the system, and reopens it within the policy's days. Reads
dispatches, the reporter's messages, the commands `InitialResponse`, `FollowUp`,
`ReturnToInstitution` and `CloseCase`, returns and ends of the verification, and `TimeRanOut`; emits
on `lapor.follow-up.v1`; owns the schema `follow_up`: one case per report, with the dispatch that is
current.
"""
