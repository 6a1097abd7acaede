-- From version 1 to version 2: failed tasks are counted with their worker, where they are recorded, and
-- quotas of the service hold for all workers.
SET LOCAL search_path = batchctl;

ALTER TABLE worker ADD failed bigint NOT NULL DEFAULT 0;
-- What was counted of a run goes to its last worker.
UPDATE worker w SET failed = r.failed FROM run r
WHERE r.no = w.run AND w.no = (SELECT max(m.no) FROM worker m WHERE m.run = w.run);
ALTER TABLE rate ADD quota_ns bigint NOT NULL DEFAULT 0, ADD quota_until_ns bigint NOT NULL DEFAULT 0;
DROP FUNCTION allow(bigint, int, bigint);
DROP FUNCTION rate_grant(text, int);
UPDATE about SET version = 2;

