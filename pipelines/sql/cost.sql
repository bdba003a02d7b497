-- What did a prompt cost, with all that it was made of, and with what failed on the way?
--
-- Parameters
--   prompt          a whole digest; or '' for the dearest prompts
--   limit           how many of the dearest: of those that a single run took longest to make
-- Columns; a row for each prompt, the dearest in seconds first
--   prompt_sha      the prompt
--   kind            teacher, source, target or context
--   task            of the prompt
--   seconds         of the completed runs that made it; of one that was resumed, from there on
--   steps           of training, those before a resume too
--   examples        that these steps saw: steps times batch size
--   trained         how many numbers were trained
--   attempts        at what made it, those that completed too
--   lost_seconds    of the attempts that failed or were abandoned
--   ancestors       prompts behind it; below, each is counted once, however many ways lead to it
--   ancestor_seconds, ancestor_steps, ancestor_examples, ancestor_attempts, ancestor_lost_seconds
--                   the same of what made these
--   total_seconds   all seconds: its own, its ancestors', and those that were lost
WITH RECURSIVE
asked (sha) AS (
    SELECT sha FROM prompt WHERE sha = :prompt
    UNION ALL
    SELECT DISTINCT sha
    FROM (
        SELECT run_prompt.prompt_sha AS sha
        FROM run
        CROSS JOIN run_prompt
        WHERE run.status = 'completed' AND run.seconds >= 0 AND :prompt = ''
            AND run_prompt.run_id = run.id AND run_prompt.role = 'made'
        ORDER BY run.seconds DESC, run.id
        LIMIT :limit
    ) AS dearest
),
behind (root, sha) AS (
    SELECT sha, sha FROM asked
    UNION  -- not UNION ALL: it drops what is known, so each is counted once
    SELECT behind.root, edge.parent_sha
    FROM behind
    CROSS JOIN edge
    WHERE edge.child_sha = behind.sha
),
effort (root, sha, seconds, steps, examples, trained, attempts, lost_seconds) AS (
    SELECT
        behind.root,
        behind.sha,
        run.seconds,
        run.steps,
        CAST(run.steps AS BIGINT) * run.batch_size,
        run.trained,
        (SELECT COUNT(*) FROM run AS every WHERE every.request_sha = run.request_sha),
        (
            SELECT SUM(lost.seconds)
            FROM run AS lost
            WHERE lost.request_sha = run.request_sha AND lost.status IN ('failed', 'abandoned')
        )
    FROM behind
    CROSS JOIN run_prompt
    CROSS JOIN run
    WHERE run_prompt.prompt_sha = behind.sha AND run_prompt.role = 'made'
        AND run.id = run_prompt.run_id AND run.status = 'completed'
),
total (root, own, prompts, seconds, steps, examples, trained, attempts, lost_seconds) AS (
    SELECT
        root,
        CASE WHEN sha = root THEN 1 ELSE 0 END,
        COUNT(DISTINCT sha),
        COALESCE(SUM(seconds), 0),
        COALESCE(SUM(steps), 0),
        CAST(COALESCE(SUM(examples), 0) AS BIGINT),
        MAX(trained),
        CAST(SUM(attempts) AS BIGINT),
        COALESCE(SUM(lost_seconds), 0)
    FROM effort
    GROUP BY root, CASE WHEN sha = root THEN 1 ELSE 0 END
)
SELECT
    prompt.sha AS prompt_sha,
    prompt.kind,
    prompt.task,
    its.seconds,
    its.steps,
    its.examples,
    its.trained,
    its.attempts,
    its.lost_seconds,
    COALESCE(theirs.prompts, 0) AS ancestors,
    COALESCE(theirs.seconds, 0) AS ancestor_seconds,
    COALESCE(theirs.steps, 0) AS ancestor_steps,
    COALESCE(theirs.examples, 0) AS ancestor_examples,
    COALESCE(theirs.attempts, 0) AS ancestor_attempts,
    COALESCE(theirs.lost_seconds, 0) AS ancestor_lost_seconds,
    its.seconds + its.lost_seconds + COALESCE(theirs.seconds + theirs.lost_seconds, 0)
        AS total_seconds
FROM asked
CROSS JOIN prompt
JOIN total AS its ON its.root = asked.sha AND its.own = 1
LEFT JOIN total AS theirs ON theirs.root = asked.sha AND theirs.own = 0
WHERE prompt.sha = asked.sha
ORDER BY its.seconds DESC, prompt.sha;
