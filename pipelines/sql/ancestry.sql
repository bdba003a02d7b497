-- What was something made from? All runs, prompts, data and backbones behind it.
--
-- Parameter
--   id          a whole id, of a prompt, run, dataset, backbone, template, checkpoint, adapter or
--               predictions
-- Columns; a row for each link, the nearest first
--   generation  how often, in between, something was made of a prompt: 0..64
--   type        prompt, run, dataset, backbone, template, checkpoint, adapter, predictions or score
--   id          of a score, the run that took it
--   role        what it is to of_id: made by, teacher, source, train, on, drawn from, ...
--   of_id       what it is behind; NULL for what was asked for
--   title       what it is, in words
--   detail      more of it, in words
--   status      of a run
--   started_at  of a run, UTC
--   value       of a score, in points
--   n           of a score, the examples that it was taken on
WITH RECURSIVE
first_run (id) AS (  -- the run that was asked for; or who made, or may have saved, what was
    SELECT id FROM run WHERE id = :id
    UNION
    SELECT run_id FROM run_prompt WHERE prompt_sha = :id AND role = 'made'
    UNION
    SELECT run_id FROM edge WHERE child_sha = :id
    UNION
    SELECT score.run_id
    FROM artifact
    CROSS JOIN score
    WHERE artifact.sha = :id AND artifact.kind = 'predictions'
        AND score.predictions_sha = artifact.sha AND score.method <> 'prompt'
    UNION
    SELECT earlier.id
    FROM artifact
    CROSS JOIN run AS later
    CROSS JOIN run AS earlier
    WHERE artifact.sha = :id AND artifact.kind = 'checkpoint'
        AND later.resumed_sha = artifact.sha
        AND earlier.request_sha = later.request_sha AND earlier.attempt < later.attempt
),
walk (sha, generation) AS (
    SELECT read.prompt_sha, 1
    FROM first_run
    CROSS JOIN run_prompt AS read
    WHERE read.run_id = first_run.id AND read.role <> 'made'
    UNION  -- not UNION ALL: it drops what is known, so a mesh stays small
    SELECT edge.parent_sha, walk.generation + 1
    FROM walk
    CROSS JOIN edge
    WHERE edge.child_sha = walk.sha AND walk.generation < 64
),
prompt_behind (sha, generation) AS (
    SELECT sha, MIN(generation)
    FROM (SELECT sha, 0 AS generation FROM prompt WHERE sha = :id UNION SELECT * FROM walk) AS found
    GROUP BY sha
),
made (run_id, prompt_sha, generation) AS (
    SELECT run_prompt.run_id, prompt_behind.sha, prompt_behind.generation
    FROM prompt_behind
    CROSS JOIN run_prompt
    WHERE run_prompt.prompt_sha = prompt_behind.sha AND run_prompt.role = 'made'
),
run_behind (id, generation) AS (
    SELECT id, MIN(generation)
    FROM (
        SELECT id, 0 AS generation FROM first_run UNION SELECT run_id, generation FROM made
    ) AS found
    GROUP BY id
),
walk_data (sha, generation) AS (
    SELECT sha, 0 FROM dataset WHERE sha = :id
    UNION
    SELECT run_dataset.dataset_sha, run_behind.generation
    FROM run_behind
    CROSS JOIN run_dataset
    WHERE run_dataset.run_id = run_behind.id
    UNION
    SELECT draw.of_sha, walk_data.generation
    FROM walk_data
    CROSS JOIN draw
    WHERE draw.dataset_sha = walk_data.sha
),
data_behind (sha, generation) AS (
    SELECT sha, MIN(generation) FROM walk_data GROUP BY sha
),
score_behind (id, generation) AS (
    SELECT score.id, run_behind.generation
    FROM run_behind
    CROSS JOIN score
    WHERE score.run_id = run_behind.id AND score.is_primary
    UNION
    SELECT score.id, prompt_behind.generation
    FROM prompt_behind
    CROSS JOIN score
    WHERE score.prompt_sha = prompt_behind.sha AND score.is_primary
),
link (generation, type, id, role, of_id, detail) AS (
    SELECT 0, 'run', id, 'asked for', NULL, NULL FROM run WHERE id = :id
    UNION
    SELECT 0, kind, sha, 'asked for', NULL, NULL FROM artifact WHERE sha = :id
    UNION
    SELECT 0, 'dataset', sha, 'asked for', NULL, NULL FROM dataset WHERE sha = :id
    UNION
    SELECT 0, 'backbone', sha, 'asked for', NULL, NULL FROM backbone WHERE sha = :id
    UNION
    SELECT 0, 'template', sha, 'asked for', NULL, NULL FROM template WHERE sha = :id
    UNION
    SELECT
        0, 'run', first_run.id,
        CASE artifact.kind WHEN 'checkpoint' THEN 'saved by' ELSE 'made by' END, artifact.sha, NULL
    FROM artifact
    CROSS JOIN first_run
    WHERE artifact.sha = :id
    UNION
    SELECT generation, 'run', run_id, 'made by', prompt_sha, NULL FROM made
    UNION
    SELECT prompt_behind.generation, 'prompt', prompt_behind.sha, read.role, read.run_id, NULL
    FROM run_behind
    CROSS JOIN run_prompt AS read
    JOIN prompt_behind ON prompt_behind.sha = read.prompt_sha
    WHERE read.run_id = run_behind.id AND read.role <> 'made'
    UNION
    SELECT run_behind.generation, 'dataset', read.dataset_sha, read.role, read.run_id, NULL
    FROM run_behind
    CROSS JOIN run_dataset AS read
    WHERE read.run_id = run_behind.id
    UNION
    SELECT
        data_behind.generation, 'dataset', draw.of_sha, 'drawn from', draw.dataset_sha,
        draw.shots || CASE WHEN draw.per_class THEN ' per class' ELSE '' END
            || ' drawn by seed ' || draw.seed || ' of '
    FROM data_behind
    CROSS JOIN draw
    WHERE draw.dataset_sha = data_behind.sha
    UNION
    SELECT data_behind.generation, 'template', dataset.template_sha, 'rendered by', dataset.sha, NULL
    FROM data_behind
    CROSS JOIN dataset
    WHERE dataset.sha = data_behind.sha AND dataset.template_sha IS NOT NULL
    UNION
    SELECT prompt_behind.generation, 'backbone', prompt.backbone_sha, 'on', prompt.sha, NULL
    FROM prompt_behind
    CROSS JOIN prompt
    WHERE prompt.sha = prompt_behind.sha
    UNION
    SELECT run_behind.generation, 'backbone', run.backbone_sha, 'on', run.id, NULL
    FROM run_behind
    CROSS JOIN run
    WHERE run.id = run_behind.id AND run.backbone_sha IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM run_prompt WHERE run_prompt.run_id = run.id)
    UNION
    SELECT run_behind.generation, 'checkpoint', run.resumed_sha, 'resumed from', run.id, NULL
    FROM run_behind
    CROSS JOIN run
    WHERE run.id = run_behind.id AND run.resumed_sha IS NOT NULL
)
SELECT
    link.generation AS generation,
    link.type AS type,
    link.id AS id,
    link.role AS role,
    link.of_id AS of_id,
    CASE link.type
        WHEN 'prompt' THEN prompt.kind || ' prompt for ' || prompt.task
        WHEN 'run' THEN run.stage || ' ' || run.task
            || COALESCE(' by ' || NULLIF(run.spec ->> 'method', 'prompt'), '')
        -- looked up one by one: PostgreSQL would read all datasets for a join
        WHEN 'dataset' THEN (
            SELECT dataset.task || ' (' || dataset.split || ')'
            FROM dataset
            WHERE dataset.sha = link.id
        )
        WHEN 'backbone' THEN 'backbone ' || backbone.name
        WHEN 'template' THEN 'template of ' || template.task
        ELSE link.type
    END AS title,
    CASE link.type
        WHEN 'prompt' THEN prompt.num_tokens || ' tokens' || COALESCE(', rank ' || prompt.rank, '')
        WHEN 'run' THEN 'seed ' || run.seed || ', attempt ' || run.attempt
        WHEN 'dataset' THEN (
            SELECT COALESCE(link.detail, '') || dataset.num_rows || ' rows, ' || dataset.origin
                || COALESCE(' ' || dataset.revision, '')
            FROM dataset
            WHERE dataset.sha = link.id
        )
        WHEN 'backbone' THEN backbone.parameters || ' parameters, ' || backbone.architecture
    END AS detail,
    run.status AS status,
    run.started_at AS started_at,
    CAST(NULL AS DOUBLE PRECISION) AS value,
    CAST(NULL AS INTEGER) AS n
FROM link
LEFT JOIN prompt ON link.type = 'prompt' AND prompt.sha = link.id
LEFT JOIN run ON link.type = 'run' AND run.id = link.id
LEFT JOIN backbone ON link.type = 'backbone' AND backbone.sha = link.id
LEFT JOIN template ON link.type = 'template' AND template.sha = link.id
UNION ALL
SELECT
    MIN(score_behind.generation), 'score', score.run_id, score.split,
    COALESCE(score.prompt_sha, score.run_id), score.metric, dataset.task || ' ' || dataset.sha,
    NULL, NULL, score.value, score.n
FROM score_behind
CROSS JOIN score
CROSS JOIN dataset
WHERE score.id = score_behind.id AND dataset.sha = score.dataset_sha
GROUP BY score.id, dataset.sha
ORDER BY generation, type, role, started_at, id, of_id;
