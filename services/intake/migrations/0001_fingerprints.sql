-- What intake adds to its cases: the fingerprint of a report's text and the keyed hash of its
-- sender, to find reports that read alike. Nothing of a text can be read back from them.
ALTER TABLE cases
    ADD COLUMN sender  text,
    ADD COLUMN exact   bigint,
    ADD COLUMN simhash bigint,
    ADD COLUMN words   int,
    ADD COLUMN band0 int, ADD COLUMN band1 int, ADD COLUMN band2 int, ADD COLUMN band3 int,
    ADD COLUMN band4 int, ADD COLUMN band5 int, ADD COLUMN band6 int, ADD COLUMN band7 int;

-- One index per band: each look-up stops after a few rows, however often a text was sent.
CREATE INDEX cases_band0 ON cases (band0) WHERE band0 IS NOT NULL;
CREATE INDEX cases_band1 ON cases (band1) WHERE band1 IS NOT NULL;
CREATE INDEX cases_band2 ON cases (band2) WHERE band2 IS NOT NULL;
CREATE INDEX cases_band3 ON cases (band3) WHERE band3 IS NOT NULL;
CREATE INDEX cases_band4 ON cases (band4) WHERE band4 IS NOT NULL;
CREATE INDEX cases_band5 ON cases (band5) WHERE band5 IS NOT NULL;
CREATE INDEX cases_band6 ON cases (band6) WHERE band6 IS NOT NULL;
CREATE INDEX cases_band7 ON cases (band7) WHERE band7 IS NOT NULL;
