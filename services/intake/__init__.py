"""Intake: the one door for people; decides whether a submission becomes a report."""
