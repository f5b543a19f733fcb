"""The one gateway for institutions: what they may command, and what they may see.

Two stages, both delivering at least once. The inbound gateway decides whether a command is well
formed and its sender's to give: it reads the outboxes, stamps the institution from the topic's
name, seals the words, and emits the command on `lapor.agencies.v1`, or answers why not in the
sender's inbox and leaves no trace. The outbound gateway decides who may see what: it reads the
core's facts and emits `InboxEntry`, built from an allow-list, to the inboxes of whoever holds the
report and of the national admin. They own the schemas `agencies_in` and `agencies_out`.
"""
