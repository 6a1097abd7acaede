CREATE SCHEMA batchctl;
SET LOCAL search_path = batchctl;

CREATE TABLE about (version int NOT NULL);
INSERT INTO about VALUES (1);

CREATE TABLE run (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text UNIQUE NOT NULL,
    job text,
    tasks bigint NOT NULL,
    chunks int NOT NULL,
    -- The description of the run, as in a run's file.
    head bytea NOT NULL,
    crc bigint NOT NULL,
    -- 0 survey, 1 canary, 2 send, 3 look afterwards, 4 ended; and the one that it begins with
    phase smallint NOT NULL,
    first_phase smallint NOT NULL,
    -- The worker that a phase belongs to, until it is gone; each taking has the next epoch.
    phase_epoch int NOT NULL DEFAULT 0,
    phase_owner int,
    -- How many tasks had an outcome when the canary began.
    canary_from bigint,
    -- Whether something is looked at when the calls are over, and until when tasks are waited for.
    looks_after boolean NOT NULL DEFAULT false,
    wait_until timestamptz,
    lease interval NOT NULL,
    -- The longest round trip with which the rate still holds, in microseconds.
    trip_us int NOT NULL,
    deadline timestamptz,
    change_no int NOT NULL DEFAULT 0,
    paused boolean NOT NULL DEFAULT false,
    concurrency int,
    workers int NOT NULL DEFAULT 0,
    stopping text,
    exit_status smallint,
    tolerated bigint NOT NULL,
    failed bigint NOT NULL DEFAULT 0
);

CREATE TABLE chunk (
    run bigint NOT NULL REFERENCES run,
    no int NOT NULL,
    tasks int NOT NULL,
    body bytea NOT NULL,
    crc bigint NOT NULL,
    -- 0 free, 1 leased, 2 settled
    state smallint NOT NULL DEFAULT 0,
    epoch int NOT NULL DEFAULT 0,
    next_seq int NOT NULL DEFAULT 0,
    owner int,
    lease_until timestamptz,
    -- The tasks with an outcome, and those of the common ones.
    settled int NOT NULL DEFAULT 0,
    succeeded int NOT NULL DEFAULT 0,
    partial int NOT NULL DEFAULT 0,
    failed int NOT NULL DEFAULT 0,
    ambiguous int NOT NULL DEFAULT 0,
    unchanged int NOT NULL DEFAULT 0,
    PRIMARY KEY (run, no)
) WITH (fillfactor = 60);
CREATE INDEX chunk_open ON chunk (run, no) WHERE state < 2;
-- Out of line, so that an UPDATE does not copy it.
ALTER TABLE chunk ALTER body SET STORAGE EXTERNAL;

-- Append only. No foreign key: its check would lock the run's row at every flush. The segments of a
-- worker about the run itself have its number, negative, in place of a chunk.
CREATE TABLE segment (
    -- The order of writing, over all chunks.
    place bigint GENERATED ALWAYS AS IDENTITY,
    run bigint NOT NULL,
    chunk int NOT NULL,
    seq int NOT NULL,
    epoch int NOT NULL,
    worker int NOT NULL,
    body bytea NOT NULL,
    crc bigint NOT NULL,
    PRIMARY KEY (run, chunk, seq)
);

-- Who runs a job. Without a run it is about to be planned.
CREATE TABLE job (
    name text PRIMARY KEY,
    run bigint,
    holder text NOT NULL,
    epoch int NOT NULL,
    lease_until timestamptz NOT NULL
);

CREATE TABLE takeover (
    run bigint NOT NULL,
    chunk int NOT NULL,
    epoch int NOT NULL,
    from_worker int,
    by_worker int NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    in_doubt int,
    PRIMARY KEY (run, chunk, epoch)
);

CREATE TABLE worker (
    run bigint NOT NULL REFERENCES run,
    no int NOT NULL,
    host text NOT NULL,
    process int NOT NULL,
    version text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    gone timestamptz,
    calls bigint NOT NULL DEFAULT 0,
    throttled bigint NOT NULL DEFAULT 0,
    in_flight int NOT NULL DEFAULT 0,
    allowance bigint NOT NULL DEFAULT 0,
    uncertainty_us int,
    PRIMARY KEY (run, no)
);

CREATE TABLE rate (
    -- 'run:<no>', or 'group:<name>' for the slots of a rate group, whose runs have a limit each.
    scope text PRIMARY KEY,
    -- The scope whose slots are used: that of the group, or its own.
    timeline text NOT NULL,
    text_limit text NOT NULL,
    interval_ns bigint NOT NULL,
    -- Whether the rate is found below that limit.
    searches boolean NOT NULL DEFAULT false,
    -- Of a timeline: the time between two slots at the pace that the service gives, and the one at
    -- the limit that is known; 0: none. One worker at a time decides on them, named run/worker.
    pace_ns bigint NOT NULL DEFAULT 0,
    learnt_ns bigint NOT NULL DEFAULT 0,
    pace_owner text,
    pace_until timestamptz,
    tat_ns bigint NOT NULL DEFAULT 0,
    horizon_ns bigint NOT NULL DEFAULT 200000000,
    hold_until_ns bigint NOT NULL DEFAULT 0,
    ramp_from_ns bigint,
    ramp_ns bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

CREATE FUNCTION rate_grant(
    of text, want int, OUT first_ns bigint, OUT n int, OUT step_ns bigint, OUT now_ns bigint, OUT hold_ns bigint
) LANGUAGE plpgsql AS $$
DECLARE
    -- The row of the run, and the one whose slots it uses.
    r rate;
    t rate;
BEGIN
    SELECT * INTO STRICT t FROM rate WHERE scope = (SELECT timeline FROM rate WHERE scope = of) FOR UPDATE;
    r := t;
    IF t.scope <> of THEN
        SELECT * INTO STRICT r FROM rate WHERE scope = of;
    END IF;
    -- Read after the row is ours.
    now_ns := (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint;
    hold_ns := t.hold_until_ns;
    step_ns := greatest(r.interval_ns, t.pace_ns);
    IF r.ramp_from_ns IS NULL THEN
        r.ramp_from_ns := now_ns;
        UPDATE rate SET ramp_from_ns = now_ns WHERE scope = of;
    END IF;
    IF r.ramp_ns > 0 THEN
        step_ns := (step_ns / least(1.0, greatest(0.01, (now_ns - r.ramp_from_ns)::numeric / r.ramp_ns)))::bigint;
    END IF;
    first_ns := greatest(t.tat_ns, now_ns, hold_ns);
    n := CASE
        WHEN first_ns > now_ns + t.horizon_ns THEN 0
        WHEN step_ns = 0 THEN want
        ELSE least(want, (now_ns + t.horizon_ns - first_ns) / step_ns + 1)
    END;
    PERFORM set_config('synchronous_commit', CASE WHEN step_ns < t.horizon_ns THEN 'off' ELSE 'on' END, true);
    IF n > 0 THEN
        UPDATE rate SET tat_ns = first_ns + n * step_ns WHERE scope = t.scope;
    END IF;
END $$;

-- Counts failures of a worker, and allows it half of its part of those that are left. Others may not
-- use what is allowed to a worker, unless it is gone or was not heard of for two leases.
CREATE FUNCTION allow(of bigint, me int, fails bigint, OUT allowance bigint, OUT left_over bigint)
LANGUAGE plpgsql AS $$
DECLARE
    r run;
    held bigint;
    others bigint;
BEGIN
    SELECT * INTO STRICT r FROM run WHERE no = of FOR UPDATE;
    SELECT coalesce(sum(w.allowance), 0), count(*) INTO held, others FROM worker w
        WHERE w.run = of AND w.no <> me AND w.gone IS NULL AND w.seen > clock_timestamp() - 2 * r.lease;
    r.failed := r.failed + fails;
    left_over := r.tolerated - r.failed - held;
    allowance := greatest(0, least(left_over, greatest(1, left_over / (2 * (others + 1)))));
    UPDATE run SET failed = r.failed,
        stopping = CASE WHEN r.failed > r.tolerated THEN coalesce(stopping, 'too_many_failures') ELSE stopping END
        WHERE no = of;
    UPDATE worker w SET allowance = allow.allowance WHERE w.run = of AND w.no = me;
END $$;
