-- Follow-up's own additions to its cases: where each report stands, for people who look.
ALTER TABLE cases ADD COLUMN status text;
