-- What every stage's schema holds before its own migrations: its lanes and its cases.

-- One row per lane (law 2): how far it was decided, and what may not be published yet.
CREATE TABLE lanes (
    id            text COLLATE "C" PRIMARY KEY,
    offsets       jsonb  NOT NULL,           -- "topic/partition" -> next offset to decide
    outbox        bytea  NOT NULL DEFAULT '', -- the last batch's events, msgpack, in the order decided
    fencing_token bigint NOT NULL            -- drawn anew by every save; a zombie's is another
);
ALTER TABLE lanes ALTER COLUMN outbox SET STORAGE EXTERNAL; -- no time spent on compressing

-- Events for one channel or institution whose topic is missing or refuses them: they wait here, in
-- order, and the others' go on. `topic` is the destination, `outbound` one record as in `lanes`.
CREATE TABLE held (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane     text COLLATE "C" NOT NULL,
    topic    text COLLATE "C" NOT NULL,
    outbound bytea NOT NULL
);
CREATE INDEX held_by_lane ON held (lane, topic, number);

CREATE TABLE cases (
    report_id text COLLATE "C" PRIMARY KEY,
    version   integer NOT NULL,
    sequence  integer NOT NULL,             -- events published about this report in the stage's stream
    decided   bytea   NOT NULL,             -- 8 bytes of the hash of every id decided
    state     bytea   NOT NULL,             -- the case as JSON
    is_open   boolean NOT NULL,
    timer_at  timestamptz,                  -- when the case wants to be woken
    fire_at   timestamptz,                  -- when the timer loop fires next; later than timer_at once fired
    parked    bytea NOT NULL DEFAULT ''     -- records that wait behind one that could not be decided, sealed
) WITH (fillfactor = 70);
CREATE INDEX cases_due  ON cases (fire_at) WHERE fire_at IS NOT NULL;
CREATE INDEX cases_open ON cases (is_open) WHERE is_open;
CREATE INDEX cases_parked ON cases (report_id) WHERE parked <> '';

-- What `lapor restored` ordered: decide again up to there (shared/runtime/recovery/comparison.py). At most one row.
CREATE TABLE recovery_order (
    is_one    boolean PRIMARY KEY DEFAULT true CHECK (is_one),
    until     jsonb  NOT NULL,              -- "topic/partition" -> the log's end when it was ordered
    committed jsonb  NOT NULL,              -- "topic/partition" -> what the group had committed
    given_ms  bigint NOT NULL               -- when it was ordered
);
-- What the stage published before, to be compared with; empty unless it was ordered.
CREATE TABLE published_before (
    subject    text COLLATE "C" NOT NULL,   -- the report; of a dead letter also its record
    event_id   text COLLATE "C" NOT NULL,
    cause_id   text   NOT NULL,
    decided_at text   NOT NULL,             -- time of the record for which it was published, as in ce_time
    digest     bytea  NOT NULL,
    sequence   integer NOT NULL,
    published_ms bigint NOT NULL,
    topic      text   NOT NULL,             -- where it lies
    partition  integer NOT NULL,
    "offset"   bigint NOT NULL,
    PRIMARY KEY (subject, event_id)
);

-- Rolls the batch back when another process was there first.
CREATE FUNCTION assert_saved(lanes_saved bigint, lanes_meant int, cases_saved bigint, cases_meant int)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF lanes_saved <> lanes_meant OR cases_saved <> cases_meant THEN
        RAISE EXCEPTION 'saved % of % lanes and % of % cases',
            lanes_saved, lanes_meant, cases_saved, cases_meant USING ERRCODE = 'serialization_failure';
    END IF;
END $$;
