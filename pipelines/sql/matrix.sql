-- How much does each set of source tasks help each target, over prompt tuning from scratch?
--
-- Adaptations of a source prompt are compared with trainings from scratch of equal budget: the same
-- backbone, target, training and validation rows, steps, batch size and tokens. Of several runs
-- with one seed, the one that validated best counts; scores are means over seeds.
--
-- Parameter
--   backbone        a whole digest; or '' for all
-- Columns; a row for each source set, target and budget
--   sources         the source tasks, by the alphabet, with a comma between
--   target          the target task
--   backbone        its name
--   backbone_sha    its digest
--   train_sha       the training rows
--   steps           of each training
--   batch_size      examples of each step
--   tokens          of the prompts
--   split           test, where both were tested on the same rows; else validation
--   dataset_sha     the rows that the scores were taken on
--   n               how many they are
--   metric          of the scores
--   transfer        mean score of the adaptations, in points
--   scratch         mean score of the trainings from scratch
--   gain            transfer minus scratch
--   transfer_seeds, scratch_seeds
--                   how many seeds these are means over
--   transfer_low, transfer_high, scratch_low, scratch_high
--                   their 95 percent intervals, of the sampling of rows; NULL where a score has none
WITH RECURSIVE
source (sha, run_id) AS (
    SELECT prompt.sha, run_prompt.run_id
    FROM prompt
    CROSS JOIN run_prompt
    WHERE prompt.task = 'multitask' AND prompt.kind = 'source'
        AND (:backbone = '' OR prompt.backbone_sha = :backbone)
        AND run_prompt.prompt_sha = prompt.sha AND run_prompt.role = 'made'
),
named (sha, run_id, names, next) AS (  -- each step adds the next name, until there is none
    SELECT
        source.sha,
        source.run_id,
        CAST('' AS TEXT),
        (
            SELECT MIN(dataset.task)
            FROM run_dataset
            CROSS JOIN dataset
            WHERE run_dataset.run_id = source.run_id AND run_dataset.role <> 'test'
                AND dataset.sha = run_dataset.dataset_sha
        )
    FROM source
    UNION ALL
    SELECT
        named.sha,
        named.run_id,
        named.names || CASE WHEN named.names = '' THEN '' ELSE ', ' END || named.next,
        (
            SELECT MIN(dataset.task)
            FROM run_dataset
            CROSS JOIN dataset
            WHERE run_dataset.run_id = named.run_id AND run_dataset.role <> 'test'
                AND dataset.sha = run_dataset.dataset_sha AND dataset.task > named.next
        )
    FROM named
    WHERE named.next IS NOT NULL
),
adapted (sources, run_id, task) AS (
    SELECT DISTINCT named.names, run.id, run.task
    FROM named
    CROSS JOIN run_prompt
    CROSS JOIN run
    WHERE named.next IS NULL AND named.names <> ''
        AND run_prompt.prompt_sha = named.sha AND run_prompt.role = 'source'
        AND run.id = run_prompt.run_id AND run.stage = 'adapt' AND run.status = 'completed'
        AND run.task <> 'group'
),
trained (sources, run_id) AS (  -- no sources: from scratch
    SELECT sources, run_id FROM adapted
    UNION ALL
    SELECT '', run.id
    FROM (SELECT DISTINCT task FROM adapted) AS target
    CROSS JOIN run
    WHERE run.task = target.task AND run.status = 'completed' AND run.stage = 'teach'
        AND (:backbone = '' OR run.backbone_sha = :backbone)
),
trial (sources, run_id, prompt_sha, budget, place) AS (
    SELECT
        trained.sources,
        run.id,
        prompt.sha,
        run.task || ' ' || run.backbone_sha || ' ' || train.dataset_sha || ' ' || chosen.dataset_sha
            || ' ' || run.max_steps || ' ' || run.batch_size || ' ' || prompt.num_tokens,
        ROW_NUMBER() OVER (
            PARTITION BY trained.sources, run.task, run.backbone_sha, train.dataset_sha,
                chosen.dataset_sha, run.max_steps, run.batch_size, prompt.num_tokens, run.seed
            ORDER BY score.value DESC, run.id
        )
    FROM trained
    CROSS JOIN run
    CROSS JOIN run_prompt
    CROSS JOIN prompt
    CROSS JOIN run_dataset AS train
    CROSS JOIN run_dataset AS chosen
    CROSS JOIN score
    WHERE run.id = trained.run_id
        AND run_prompt.run_id = run.id AND run_prompt.role = 'made'
        AND prompt.sha = run_prompt.prompt_sha
        AND train.run_id = run.id AND train.role = 'train'
        AND chosen.run_id = run.id AND chosen.role = 'validation'
        AND score.run_id = run.id AND score.split = 'validation' AND score.is_primary
),
told (sources, budget, run_id, prompt_sha, score_id) AS (
    SELECT trial.sources, trial.budget, trial.run_id, trial.prompt_sha, MAX(score.id)
    FROM trial
    CROSS JOIN score
    WHERE trial.place = 1 AND trial.budget IS NOT NULL
        AND score.run_id = trial.run_id AND score.split = 'validation' AND score.is_primary
    GROUP BY trial.sources, trial.budget, trial.run_id, trial.prompt_sha
    UNION ALL
    SELECT trial.sources, trial.budget, trial.run_id, trial.prompt_sha, MAX(score.id)
    FROM trial
    CROSS JOIN score
    WHERE trial.place = 1 AND trial.budget IS NOT NULL
        AND score.prompt_sha = trial.prompt_sha AND score.split = 'test' AND score.is_primary
    GROUP BY
        trial.sources, trial.budget, trial.run_id, trial.prompt_sha, score.dataset_sha, score.metric
),
mean (sources, budget, split, dataset_sha, metric, run_id, prompt_sha, n, seeds, value, low, high)
AS (
    SELECT
        told.sources,
        told.budget,
        score.split,
        score.dataset_sha,
        score.metric,
        MIN(told.run_id),
        MIN(told.prompt_sha),
        MIN(score.n),
        COUNT(*),
        AVG(score.value),
        CASE WHEN COUNT(score.low) = COUNT(*) THEN AVG(score.low) END,
        CASE WHEN COUNT(score.low) = COUNT(*) THEN AVG(score.high) END
    FROM told
    CROSS JOIN score
    WHERE score.id = told.score_id
    GROUP BY told.sources, told.budget, score.split, score.dataset_sha, score.metric
),
beside AS (  -- each mean, and the one from scratch on the same rows
    SELECT
        sources, budget, split, dataset_sha, metric, run_id, prompt_sha, n, seeds, value, low, high,
        MAX(CASE WHEN sources = '' THEN seeds END) OVER same AS scratch_seeds,
        MAX(CASE WHEN sources = '' THEN value END) OVER same AS scratch,
        MAX(CASE WHEN sources = '' THEN low END) OVER same AS scratch_low,
        MAX(CASE WHEN sources = '' THEN high END) OVER same AS scratch_high
    FROM mean
    WINDOW same AS (PARTITION BY budget, split, dataset_sha, metric)
),
pair AS (
    SELECT
        beside.*,
        ROW_NUMBER() OVER (
            PARTITION BY sources, budget
            ORDER BY split, seeds + scratch_seeds DESC, n DESC, dataset_sha, metric
        ) AS place
    FROM beside
    WHERE sources <> '' AND scratch IS NOT NULL
)
SELECT
    pair.sources AS sources,
    run.task AS target,
    backbone.name AS backbone,
    backbone.sha AS backbone_sha,
    train.dataset_sha AS train_sha,
    run.max_steps AS steps,
    run.batch_size AS batch_size,
    prompt.num_tokens AS tokens,
    pair.split AS split,
    pair.dataset_sha AS dataset_sha,
    pair.n AS n,
    pair.metric AS metric,
    pair.value AS transfer,
    pair.scratch AS scratch,
    pair.value - pair.scratch AS gain,
    pair.seeds AS transfer_seeds,
    pair.scratch_seeds AS scratch_seeds,
    pair.low AS transfer_low,
    pair.high AS transfer_high,
    pair.scratch_low AS scratch_low,
    pair.scratch_high AS scratch_high
FROM pair
CROSS JOIN run
CROSS JOIN backbone
CROSS JOIN run_dataset AS train
CROSS JOIN prompt
WHERE pair.place = 1
    AND run.id = pair.run_id
    AND backbone.sha = run.backbone_sha
    AND train.run_id = run.id AND train.role = 'train'
    AND prompt.sha = pair.prompt_sha
ORDER BY sources, target, backbone, backbone_sha, train_sha, steps, batch_size, tokens;
