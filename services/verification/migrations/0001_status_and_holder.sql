-- What verification keeps beside the shell's own cases and lanes, at either level.

ALTER TABLE cases ADD COLUMN status text; -- null: records came, but none that concerned the stage
ALTER TABLE cases ADD COLUMN holder text; -- the institution's code, empty while nobody is known
