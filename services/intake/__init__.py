"""Intake: the one gateway for people; decides whether a submission becomes a report.

Reads the channels' submissions; emits what people sent, checked and sealed, on `lapor.intake.v1`,
and one answer to each message on the channel's own topic. Makes each report's id, tracking number
and key, screens its text once, and proves that a later message comes from the reporter. Owns the
schema `intake` (who handed in what, and fingerprints) and makes the keys in the schema `vault`.
"""
