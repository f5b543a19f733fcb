-- The SLA monitor's own additions to its cases: who holds each open report (national, institution,
-- unit, reporter), and the earliest date that somebody owes something by, for people who look.
ALTER TABLE cases ADD COLUMN holder text;
ALTER TABLE cases ADD COLUMN next_deadline timestamptz;
ALTER TABLE cases ADD COLUMN next_clock text;
-- Which open cases a change of the registry may move: whose clocks run, since when, to which last level.
ALTER TABLE cases ADD COLUMN institutions text; -- codes, with commas between
ALTER TABLE cases ADD COLUMN counts_from timestamptz;
ALTER TABLE cases ADD COLUMN counts_until timestamptz;
CREATE INDEX cases_next_deadline ON cases (next_deadline) WHERE next_deadline IS NOT NULL;

-- One row per published version: how far its recompute came (recompute.py).
CREATE TABLE recomputes (
    version     text COLLATE "C" PRIMARY KEY,
    changed     text   NOT NULL,            -- calendar or policy
    seen_at     timestamptz NOT NULL,       -- when the last lane saw it
    total       bigint NOT NULL,            -- cases that it may move
    asked       bigint NOT NULL DEFAULT 0,  -- of these, cases asked to settle again
    after       text COLLATE "C" NOT NULL DEFAULT '', -- all candidates up to this report were asked
    finished_at timestamptz                 -- when the last one was decided
);
CREATE TABLE recompute_cases (
    version   text COLLATE "C" NOT NULL,
    report_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (version, report_id)
);
