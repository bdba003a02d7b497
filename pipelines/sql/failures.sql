-- Which runs have failed or were abandoned, what did that cost, and is it made good by now?
--
-- Parameters
--   since       a moment, such as 2025-01-31 00:00:00+00:00: runs that started then or later
--   limit       how many of them, the newest
-- Columns; a row for each run, the newest first
--   run_id      the run
--   stage       teach, learn, adapt, few_shot, import, baseline, evaluate or export
--   task        of the run
--   seed        of the run
--   status      failed or abandoned
--   started_at  UTC
--   seconds     that are lost, up to its end or its last sign of life
--   error       why, in one line
--   attempt     which attempt at its request it was, from 1
--   attempts    how many there are by now
--   later       completed, running or none: what became of the request after it
--   later_id    the run that has completed it, or is at it
--   source_sha  the prompt that it was to be made of, if there is one
--   spec        its recipe, JSON
SELECT
    run.id AS run_id,
    run.stage,
    run.task,
    run.seed,
    run.status,
    run.started_at,
    run.seconds,
    run.error,
    run.attempt,
    (SELECT MAX(every.attempt) FROM run AS every WHERE every.request_sha = run.request_sha)
        AS attempts,
    COALESCE(active.status, 'none') AS later,
    active.id AS later_id,
    (
        SELECT MIN(run_prompt.prompt_sha)
        FROM run_prompt
        WHERE run_prompt.run_id = run.id AND run_prompt.role IN ('source', 'front', 'exported')
    ) AS source_sha,
    CAST(run.spec AS TEXT) AS spec
FROM run
LEFT JOIN run AS active
    ON active.request_sha = run.request_sha AND active.status IN ('running', 'completed')
WHERE run.status <> 'completed' AND run.status <> 'running' AND run.started_at >= :since
ORDER BY run.started_at DESC, run.id
LIMIT :limit;
