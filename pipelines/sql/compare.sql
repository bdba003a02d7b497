-- In what do two prompts differ? All that their comparison needs: recipes, what was read, scores.
--
-- Parameters
--   a, b        whole digests of prompts
-- Columns; a row for each fact of one side
--   side        a or b
--   what        spec, data, prompt, backbone or score
--   role        of a spec, its stage; of data, train or validation; of a prompt that it was made of,
--               teacher, source or front; of a score, the split
--   name        of a spec, the run; of a backbone, its name; of all others, the task
--   sha         the data, the prompt, the backbone, or the data that the score was taken on
--   metric      of a score
--   value       of a score, in points
--   low, high   of a score, its 95 percent interval
--   n           rows of the data, tokens of the prompt, parameters of the backbone, or examples that
--               the score was taken on
--   text        of a spec, JSON; of a score, the digest of the predictions
WITH
asked (side, sha) AS (
    SELECT 'a', sha FROM prompt WHERE sha = :a
    UNION ALL
    SELECT 'b', sha FROM prompt WHERE sha = :b
),
making (side, run_id, place) AS (  -- the first run that made it counts
    SELECT
        asked.side,
        run.id,
        ROW_NUMBER() OVER (PARTITION BY asked.side ORDER BY run.ended_at, run.id)
    FROM asked
    CROSS JOIN run_prompt
    CROSS JOIN run
    WHERE run_prompt.prompt_sha = asked.sha AND run_prompt.role = 'made'
        AND run.id = run_prompt.run_id AND run.status = 'completed'
),
scored (side, id, place) AS (  -- of several scores on the same examples, the newest
    SELECT
        asked.side,
        score.id,
        ROW_NUMBER() OVER (
            PARTITION BY asked.side, score.dataset_sha, score.split, score.metric
            ORDER BY score.id DESC
        )
    FROM asked
    CROSS JOIN score
    WHERE score.prompt_sha = asked.sha
)
SELECT
    making.side AS side,
    'spec' AS what,
    run.stage AS role,
    run.id AS name,
    CAST(NULL AS TEXT) AS sha,
    CAST(NULL AS TEXT) AS metric,
    CAST(NULL AS DOUBLE PRECISION) AS value,
    CAST(NULL AS DOUBLE PRECISION) AS low,
    CAST(NULL AS DOUBLE PRECISION) AS high,
    CAST(NULL AS BIGINT) AS n,
    CAST(run.spec AS TEXT) AS text
FROM making
CROSS JOIN run
WHERE making.place = 1 AND run.id = making.run_id
UNION ALL
SELECT
    making.side, 'data', run_dataset.role, dataset.task, dataset.sha, NULL, NULL, NULL, NULL,
    dataset.num_rows, NULL
FROM making
CROSS JOIN run_dataset
CROSS JOIN dataset
WHERE making.place = 1 AND run_dataset.run_id = making.run_id
    AND dataset.sha = run_dataset.dataset_sha
UNION ALL
SELECT
    making.side, 'prompt', run_prompt.role, prompt.task, prompt.sha, NULL, NULL, NULL, NULL,
    prompt.num_tokens, NULL
FROM making
CROSS JOIN run_prompt
CROSS JOIN prompt
WHERE making.place = 1 AND run_prompt.run_id = making.run_id AND run_prompt.role <> 'made'
    AND prompt.sha = run_prompt.prompt_sha
UNION ALL
SELECT
    asked.side, 'backbone', 'on', backbone.name, backbone.sha, NULL, NULL, NULL, NULL,
    backbone.parameters, NULL
FROM asked
CROSS JOIN prompt
CROSS JOIN backbone
WHERE prompt.sha = asked.sha AND backbone.sha = prompt.backbone_sha
UNION ALL
SELECT
    scored.side, 'score', score.split, dataset.task, dataset.sha, score.metric, score.value,
    score.low, score.high, score.n, score.predictions_sha
FROM scored
CROSS JOIN score
CROSS JOIN dataset
WHERE scored.place = 1 AND score.id = scored.id AND dataset.sha = score.dataset_sha
ORDER BY what, side, role, name, sha, metric;
