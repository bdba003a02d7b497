-- What came of something? All runs that read it, what they made, and what was made of that.
--
-- Parameter
--   id          a whole id, of a prompt, run, dataset, backbone, template, checkpoint, adapter or
--               predictions
-- Columns; a row for each link, the nearest first
--   generation  how often, in between, something was made of a prompt: 0..64
--   type        prompt, run, dataset, backbone, template, checkpoint, adapter, predictions or score
--   id          of a score, the run that took it
--   role        how it came of of_id: a run read it as train, as source, ...; it was made, drawn, ...
--   of_id       what it came of; NULL for what was asked for
--   title       what it is, in words
--   detail      more of it, in words
--   status      of a run
--   started_at  of a run, UTC
--   value       of a score, in points
--   n           of a score, the examples that it was taken on
WITH RECURSIVE
data (sha) AS (  -- the dataset that was asked for, and whatever was drawn from it
    SELECT sha FROM dataset WHERE sha = :id
    UNION
    SELECT dataset.sha
    FROM template
    CROSS JOIN dataset
    WHERE template.sha = :id AND dataset.template_sha = template.sha
    UNION
    SELECT draw.dataset_sha FROM data CROSS JOIN draw WHERE draw.of_sha = data.sha
),
resumed (run_id, sha) AS (
    SELECT run.id, artifact.sha
    FROM artifact
    CROSS JOIN run
    WHERE artifact.sha = :id AND artifact.kind = 'checkpoint' AND run.resumed_sha = artifact.sha
),
first_run (id) AS (
    SELECT id FROM run WHERE id = :id
    UNION
    SELECT run_dataset.run_id
    FROM data
    CROSS JOIN run_dataset
    WHERE run_dataset.dataset_sha = data.sha
    UNION
    SELECT id FROM run WHERE backbone_sha = :id
    UNION
    SELECT run_id FROM resumed
),
walk (sha, generation) AS (
    SELECT sha, 0 FROM prompt WHERE sha = :id
    UNION
    SELECT run_prompt.prompt_sha, 0
    FROM first_run
    CROSS JOIN run_prompt
    WHERE run_prompt.run_id = first_run.id AND run_prompt.role = 'made'
    UNION  -- not UNION ALL: it drops what is known, so a mesh stays small
    SELECT edge.child_sha, walk.generation + 1
    FROM walk
    CROSS JOIN edge
    WHERE edge.parent_sha = walk.sha AND walk.generation < 64
),
prompt_below (sha, generation) AS (
    SELECT walk.sha, MIN(walk.generation)
    FROM walk
    CROSS JOIN prompt
    WHERE prompt.sha = walk.sha
    GROUP BY walk.sha
),
read (run_id, prompt_sha, role, generation) AS (
    SELECT run_prompt.run_id, prompt_below.sha, run_prompt.role, prompt_below.generation + 1
    FROM prompt_below
    CROSS JOIN run_prompt
    WHERE run_prompt.prompt_sha = prompt_below.sha AND run_prompt.role <> 'made'
        AND prompt_below.generation < 64
),
run_below (id, generation) AS (
    SELECT id, MIN(generation)
    FROM (
        SELECT id, 0 AS generation FROM first_run UNION SELECT run_id, generation FROM read
    ) AS found
    GROUP BY id
),
link (generation, type, id, role, of_id) AS (
    SELECT 0, 'run', id, 'asked for', NULL FROM run WHERE id = :id
    UNION
    SELECT 0, kind, sha, 'asked for', NULL FROM artifact WHERE sha = :id
    UNION
    SELECT 0, 'dataset', sha, 'asked for', NULL FROM dataset WHERE sha = :id
    UNION
    SELECT 0, 'backbone', sha, 'asked for', NULL FROM backbone WHERE sha = :id
    UNION
    SELECT 0, 'template', sha, 'asked for', NULL FROM template WHERE sha = :id
    UNION
    SELECT 0, 'dataset', dataset.sha, 'rendered', template.sha
    FROM data
    CROSS JOIN dataset
    CROSS JOIN template
    WHERE dataset.sha = data.sha AND template.sha = :id AND dataset.template_sha = template.sha
    UNION
    SELECT 0, 'dataset', draw.dataset_sha, 'drawn', data.sha
    FROM data
    CROSS JOIN draw
    WHERE draw.of_sha = data.sha
    UNION
    SELECT 0, 'run', run_dataset.run_id, run_dataset.role, data.sha
    FROM data
    CROSS JOIN run_dataset
    WHERE run_dataset.dataset_sha = data.sha
    UNION
    SELECT 0, 'run', id, 'on', backbone_sha FROM run WHERE backbone_sha = :id
    UNION
    SELECT 0, 'run', run_id, 'resumed', sha FROM resumed
    UNION
    SELECT generation, 'run', run_id, role, prompt_sha FROM read
    UNION
    SELECT run_below.generation, 'prompt', run_prompt.prompt_sha, 'made', run_below.id
    FROM run_below
    CROSS JOIN run_prompt
    WHERE run_prompt.run_id = run_below.id AND run_prompt.role = 'made'
    UNION
    SELECT run_below.generation, 'predictions', score.predictions_sha, 'answered', run_below.id
    FROM run_below
    CROSS JOIN score
    WHERE score.run_id = run_below.id AND score.predictions_sha IS NOT NULL
    UNION
    SELECT run_below.generation, 'adapter', edge.child_sha, 'exported', run_below.id
    FROM run_below
    CROSS JOIN edge
    WHERE edge.run_id = run_below.id AND edge.role = 'exported_as'
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
        WHEN 'dataset' THEN dataset.task || ' (' || dataset.split || ')'
        WHEN 'backbone' THEN 'backbone ' || backbone.name
        WHEN 'template' THEN 'template of ' || template.task
        ELSE link.type
    END AS title,
    CASE link.type
        WHEN 'prompt' THEN prompt.num_tokens || ' tokens' || COALESCE(', rank ' || prompt.rank, '')
        WHEN 'run' THEN 'seed ' || run.seed || ', attempt ' || run.attempt
        WHEN 'dataset' THEN dataset.num_rows || ' rows, ' || dataset.origin
            || COALESCE(' ' || dataset.revision, '')
        WHEN 'backbone' THEN backbone.parameters || ' parameters, ' || backbone.architecture
    END AS detail,
    run.status AS status,
    run.started_at AS started_at,
    CAST(NULL AS DOUBLE PRECISION) AS value,
    CAST(NULL AS INTEGER) AS n
FROM link
LEFT JOIN prompt ON link.type = 'prompt' AND prompt.sha = link.id
LEFT JOIN run ON link.type = 'run' AND run.id = link.id
LEFT JOIN dataset ON link.type = 'dataset' AND dataset.sha = link.id
LEFT JOIN backbone ON link.type = 'backbone' AND backbone.sha = link.id
LEFT JOIN template ON link.type = 'template' AND template.sha = link.id
UNION ALL
SELECT
    run_below.generation, 'score', score.run_id, score.split,
    COALESCE(score.prompt_sha, score.run_id), score.metric, dataset.task || ' ' || dataset.sha,
    NULL, NULL, score.value, score.n
FROM run_below
CROSS JOIN score
CROSS JOIN dataset
WHERE score.run_id = run_below.id AND score.is_primary AND dataset.sha = score.dataset_sha
ORDER BY generation, type, role, started_at, id, of_id;
