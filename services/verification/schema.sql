-- What verification keeps beside the shell's own cases and lanes, at either level.

ALTER TABLE cases ADD COLUMN status text NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN holder text NOT NULL DEFAULT '';
