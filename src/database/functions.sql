CREATE OR REPLACE FUNCTION rate_grant(
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
    step_ns := greatest(r.interval_ns, t.pace_ns, CASE WHEN t.quota_until_ns > now_ns THEN t.quota_ns ELSE 0 END);
    IF r.ramp_from_ns IS NULL AND want > 0 THEN
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

-- Allows a worker half of its part of the failures that are left. Others may not use what is allowed to
-- a worker, unless it is gone or was not heard of for two leases. What has failed is on record with its
-- worker, so asking twice counts nothing twice.
CREATE OR REPLACE FUNCTION allow(of bigint, me int, OUT allowance bigint, OUT left_over bigint)
LANGUAGE plpgsql AS $$
DECLARE
    r run;
    counted bigint;
    held bigint;
    others bigint;
BEGIN
    SELECT * INTO STRICT r FROM run WHERE no = of FOR UPDATE;
    SELECT coalesce(sum(w.failed), 0), coalesce(sum(w.allowance) FILTER (WHERE o.is_other), 0),
            count(*) FILTER (WHERE o.is_other)
        INTO counted, held, others
        FROM worker w, LATERAL (SELECT w.no <> me AND w.gone IS NULL
            AND w.seen > clock_timestamp() - 2 * r.lease AS is_other) o
        WHERE w.run = of;
    left_over := r.tolerated - counted - held;
    allowance := greatest(0, least(left_over, greatest(1, left_over / (2 * (others + 1)))));
    UPDATE run SET failed = counted,
        stopping = CASE WHEN counted > r.tolerated THEN coalesce(stopping, 'too_many_failures') ELSE stopping END
        WHERE no = of;
    UPDATE worker w SET allowance = allow.allowance WHERE w.run = of AND w.no = me;
END $$;

-- Appends segments to chunks of a worker, each of which counts only if the lease is still its own; returns
-- the chunks whose segment was appended. A function, because the server plans a statement of such a length
-- anew each time, and what is in a function once a session.
CREATE OR REPLACE FUNCTION flush(
    of bigint, me int, seconds float8, nos int[], epochs int[], seqs int[], bodies bytea[], crcs bigint[],
    settled int[], succeeded int[], partial int[], failed int[], ambiguous int[], unchanged int[], OUT kept int[]
) LANGUAGE plpgsql AS $$
DECLARE
    failures bigint := 0;
BEGIN
    kept := '{}';
    FOR i IN 1 .. cardinality(nos) LOOP
        UPDATE chunk c SET next_seq = c.next_seq + 1,
            lease_until = clock_timestamp() + flush.seconds * interval '1 second',
            settled = c.settled + flush.settled[i], succeeded = c.succeeded + flush.succeeded[i],
            partial = c.partial + flush.partial[i], failed = c.failed + flush.failed[i],
            ambiguous = c.ambiguous + flush.ambiguous[i], unchanged = c.unchanged + flush.unchanged[i],
            state = CASE WHEN c.settled + flush.settled[i] = c.tasks THEN 2 ELSE 1 END
        WHERE c.run = flush.of AND c.no = flush.nos[i] AND c.epoch = flush.epochs[i]
            AND c.next_seq = flush.seqs[i] AND c.state = 1;
        IF FOUND THEN
            INSERT INTO segment (run, chunk, seq, epoch, worker, body, crc)
            VALUES (flush.of, flush.nos[i], flush.seqs[i], flush.epochs[i], flush.me, flush.bodies[i], flush.crcs[i]);
            kept := kept || nos[i];
            failures := failures + flush.failed[i];
        END IF;
    END LOOP;
    -- What is recorded uses up what was allowed, in the same instant: nobody counts it twice.
    IF failures > 0 THEN
        UPDATE worker w SET failed = w.failed + failures, allowance = greatest(0, w.allowance - failures)
        WHERE w.run = flush.of AND w.no = flush.me;
    END IF;
END $$;
