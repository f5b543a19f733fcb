-- The SLA monitor's own additions to its cases: who holds each open report (national, institution,
-- unit, reporter), and the earliest date that somebody owes something by, for people who look.
ALTER TABLE cases ADD COLUMN holder text;
ALTER TABLE cases ADD COLUMN next_deadline timestamptz;
ALTER TABLE cases ADD COLUMN next_clock text;
CREATE INDEX cases_next_deadline ON cases (next_deadline) WHERE next_deadline IS NOT NULL;
