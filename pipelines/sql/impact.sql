-- What no longer holds if a dataset, prompt or backbone is withdrawn?
--
-- A dataset counts where it, or what was drawn from it, was trained on or chosen by; the scores
-- that were taken on it are named too.
--
-- Parameter
--   id          a whole id, of a dataset, prompt or backbone
-- Columns; a row for each thing that rests on it, the nearest first
--   generation  how often, in between, something was made of a prompt: 0..64
--   type        prompt, version, adapter, predictions or score
--   id          of a version, its name in the registry; of a score, the run that took it
--   title       what it is, in words
--   champion    yes, for a version that is
--   run_id      through which run it rests on it: the one that made it
--   of_id       what that run read: the data, the backbone or a prompt
--   role        what that was to the run: train, validation, test, on, adapted_from, ...
--   value       of a score, in points
--   n           of a score, the examples that it was taken on
WITH RECURSIVE
data (sha) AS (
    SELECT sha FROM dataset WHERE sha = :id
    UNION
    SELECT draw.dataset_sha FROM data CROSS JOIN draw WHERE draw.of_sha = data.sha
),
read (run_id, of_id, role) AS (  -- who was trained or chosen by what is withdrawn
    SELECT run.id, data.sha, run_dataset.role
    FROM data
    CROSS JOIN run_dataset
    CROSS JOIN run
    WHERE run_dataset.dataset_sha = data.sha AND run_dataset.role <> 'test'
        AND run.id = run_dataset.run_id AND run.status = 'completed'
    UNION ALL
    SELECT id, backbone_sha, 'on' FROM run WHERE backbone_sha = :id AND status = 'completed'
),
told (id, run_id, predictions_sha, of_id, role) AS (  -- scores of these runs, or on that data
    SELECT score.id, score.run_id, score.predictions_sha, read.of_id, read.role
    FROM read
    CROSS JOIN score
    WHERE score.run_id = read.run_id
    UNION ALL
    SELECT score.id, score.run_id, score.predictions_sha, data.sha, score.split
    FROM data
    CROSS JOIN score
    WHERE score.dataset_sha = data.sha
),
walk (sha, generation) AS (
    SELECT sha, 0 FROM prompt WHERE sha = :id
    UNION
    SELECT run_prompt.prompt_sha, 0
    FROM read
    CROSS JOIN run_prompt
    WHERE run_prompt.run_id = read.run_id AND run_prompt.role = 'made'
    UNION  -- not UNION ALL: it drops what is known, so a mesh stays small
    SELECT edge.child_sha, walk.generation + 1
    FROM walk
    CROSS JOIN edge
    WHERE edge.parent_sha = walk.sha AND walk.generation < 64
),
fallen (sha, generation) AS (  -- the prompts among them
    SELECT walk.sha, MIN(walk.generation)
    FROM walk
    CROSS JOIN prompt
    WHERE prompt.sha = walk.sha
    GROUP BY walk.sha
),
resting (type, id, score_id, generation, run_id, of_id, role) AS (
    SELECT 'prompt', run_prompt.prompt_sha, 0, 0, read.run_id, read.of_id, read.role
    FROM read
    CROSS JOIN run_prompt
    WHERE run_prompt.run_id = read.run_id AND run_prompt.role = 'made'
    UNION ALL
    SELECT
        artifact.kind, edge.child_sha, 0, fallen.generation + 1, edge.run_id, fallen.sha, edge.role
    FROM fallen
    CROSS JOIN edge
    CROSS JOIN artifact
    WHERE edge.parent_sha = fallen.sha AND fallen.generation < 64
        AND artifact.sha = edge.child_sha
    UNION ALL
    SELECT 'score', run_id, id, 0, run_id, of_id, role FROM told
    UNION ALL
    SELECT 'predictions', predictions_sha, 0, 0, run_id, of_id, role
    FROM told
    WHERE predictions_sha IS NOT NULL
    UNION ALL
    SELECT
        'score', score.run_id, score.id, fallen.generation + 1, score.run_id, fallen.sha,
        'evaluated_by'
    FROM fallen
    CROSS JOIN score
    WHERE score.prompt_sha = fallen.sha
    UNION ALL
    SELECT
        'version', registration.model_name || COALESCE('/' || registration.version, ''), 0,
        fallen.generation, registration.run_id, fallen.sha, 'registered'
    FROM fallen
    CROSS JOIN registration
    WHERE registration.prompt_sha = fallen.sha
        AND (registration.version IS NOT NULL OR registration.standing <> 'candidate')
),
nearest (type, id, score_id, generation, run_id, of_id, role, place) AS (
    SELECT
        type, id, score_id, generation, run_id, of_id, role,
        ROW_NUMBER() OVER (
            PARTITION BY type, id, score_id ORDER BY generation, run_id, of_id, role
        )
    FROM resting
    WHERE id <> :id
)
SELECT
    nearest.generation,
    nearest.type,
    nearest.id,
    CASE nearest.type
        WHEN 'prompt' THEN prompt.kind || ' prompt for ' || prompt.task
        WHEN 'version' THEN 'version of a prompt for ' || registration.task
        WHEN 'score' THEN score.split || ' ' || score.metric || ' on ' || dataset.task
        ELSE nearest.type
    END AS title,
    CASE WHEN registration.standing = 'champion' THEN 'yes' END AS champion,
    nearest.run_id,
    nearest.of_id,
    nearest.role,
    score.value,
    score.n
FROM nearest
LEFT JOIN prompt ON nearest.type = 'prompt' AND prompt.sha = nearest.id
LEFT JOIN registration ON nearest.type = 'version' AND registration.prompt_sha = nearest.of_id
    AND registration.model_name || COALESCE('/' || registration.version, '') = nearest.id
LEFT JOIN score ON score.id = nearest.score_id
LEFT JOIN dataset ON dataset.sha = score.dataset_sha
WHERE nearest.place = 1
ORDER BY nearest.generation, nearest.type, nearest.id, score.metric;
