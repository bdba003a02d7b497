-- Which runs share an input?
--
-- Parameter
--   id          a whole id, of a dataset, prompt or backbone, or of a run: then it is the other
--               runs that read one of the datasets or prompts that it read
-- Columns; a row for each run and input, the newest run first
--   run_id      the run
--   stage       teach, learn, adapt, few_shot, import, baseline, evaluate or export
--   task        of the run
--   seed        of the run
--   status      running, completed, failed or abandoned
--   started_at  UTC
--   role        what the input is to the run: train, validation, test, teacher, source, front, ...
--   input_type  dataset, prompt or backbone
--   input_id    that was asked for; or a dataset drawn from it
WITH RECURSIVE
data (sha) AS (
    SELECT sha FROM dataset WHERE sha = :id
    UNION
    SELECT dataset_sha FROM run_dataset WHERE run_id = :id
    UNION
    SELECT draw.dataset_sha FROM data CROSS JOIN draw WHERE draw.of_sha = data.sha
),
input_prompt (sha) AS (
    SELECT sha FROM prompt WHERE sha = :id
    UNION
    SELECT prompt_sha FROM run_prompt WHERE run_id = :id AND role <> 'made'
),
read (run_id, role, input_type, input_id) AS (
    SELECT run_dataset.run_id, run_dataset.role, 'dataset', data.sha
    FROM data
    CROSS JOIN run_dataset
    WHERE run_dataset.dataset_sha = data.sha
    UNION ALL
    SELECT run_prompt.run_id, run_prompt.role, 'prompt', input_prompt.sha
    FROM input_prompt
    CROSS JOIN run_prompt
    WHERE run_prompt.prompt_sha = input_prompt.sha AND run_prompt.role <> 'made'
    UNION ALL
    SELECT id, 'on', 'backbone', backbone_sha FROM run WHERE backbone_sha = :id
)
SELECT
    read.run_id, run.stage, run.task, run.seed, run.status, run.started_at, read.role,
    read.input_type, read.input_id
FROM read
CROSS JOIN run
WHERE run.id = read.run_id AND run.id <> :id
ORDER BY run.started_at DESC, read.run_id, read.input_type, read.role, read.input_id;
