-- How much does each set of source tasks help each target, over prompt tuning from scratch?
--
-- Adaptations of a source prompt are compared with trainings from scratch of equal budget: the same
-- backbone, target, training and validation rows, steps, batch size and tokens. Of several runs
-- with one seed, the one that validated best counts; scores are means over seeds.
--
-- Parameter
--   backbone        a whole digest; or '' for all
-- Columns; a row for each source set, target and budget
--   sources         the source tasks, by the alphabet
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
--                   their 95 % intervals, of the sampling of rows; NULL where a score has none
WITH RECURSIVE
source (sha, run_id) AS (
    SELECT prompt.sha, run_prompt.run_id
    FROM prompt
    JOIN run_prompt ON run_prompt.prompt_sha = prompt.sha AND run_prompt.role = 'made'
    WHERE prompt.task = 'multitask' AND prompt.kind = 'source'
        AND (:backbone = '' OR prompt.backbone_sha = :backbone)
),
named (run_id, last, names) AS (  -- each step adds the next name, until there is none
    SELECT run_id, CAST('' AS TEXT), CAST('' AS TEXT) FROM source
    UNION
    SELECT
        named.run_id,
        dataset.task,
        named.names || CASE WHEN named.last = '' THEN '' ELSE ', ' END || dataset.task
    FROM named
    JOIN run_dataset ON run_dataset.run_id = named.run_id AND run_dataset.role <> 'test'
    JOIN dataset ON dataset.sha = run_dataset.dataset_sha
    WHERE dataset.task = (
        SELECT MIN(other.task)
        FROM run_dataset AS also
        JOIN dataset AS other ON other.sha = also.dataset_sha
        WHERE also.run_id = named.run_id AND also.role <> 'test' AND other.task > named.last
    )
),
source_set (sha, names) AS (  -- of names that begin alike, the longest is the last
    SELECT source.sha, MAX(named.names)
    FROM source
    JOIN named ON named.run_id = source.run_id
    GROUP BY source.sha
),
adapted (run_id, sources, task) AS (
    SELECT run.id, source_set.names, run.task
    FROM source_set
    JOIN run_prompt ON run_prompt.prompt_sha = source_set.sha AND run_prompt.role = 'source'
    JOIN run ON run.id = run_prompt.run_id
    WHERE run.stage = 'adapt' AND run.status = 'completed' AND run.task <> 'group'
),
trained (run_id, sources) AS (
    SELECT run_id, sources FROM adapted
    UNION ALL
    SELECT run.id, ''
    FROM (SELECT DISTINCT task FROM adapted) AS target
    JOIN run ON run.task = target.task AND run.status = 'completed' AND run.stage = 'teach'
),
trial (run_id, sources, budget, seed, prompt_sha, tokens, train_sha, score_id, value) AS (
    SELECT
        run.id,
        trained.sources,
        run.task || ' ' || run.backbone_sha || ' ' || train.dataset_sha || ' ' || chosen.dataset_sha
            || ' ' || run.max_steps || ' ' || run.batch_size || ' ' || prompt.num_tokens,
        run.seed,
        prompt.sha,
        prompt.num_tokens,
        train.dataset_sha,
        score.id,
        score.value
    FROM trained
    JOIN run ON run.id = trained.run_id
    JOIN run_prompt ON run_prompt.run_id = run.id AND run_prompt.role = 'made'
    JOIN prompt ON prompt.sha = run_prompt.prompt_sha
    JOIN run_dataset AS train ON train.run_id = run.id AND train.role = 'train'
    JOIN run_dataset AS chosen ON chosen.run_id = run.id AND chosen.role = 'validation'
    JOIN score ON score.run_id = run.id AND score.split = 'validation' AND score.is_primary
),
best (run_id, sources, budget, prompt_sha, score_id, place) AS (
    SELECT
        run_id, sources, budget, prompt_sha, score_id,
        ROW_NUMBER() OVER (PARTITION BY sources, budget, seed ORDER BY value DESC, run_id)
    FROM trial
),
told (sources, budget, run_id, score_id) AS (
    SELECT sources, budget, run_id, score_id FROM best WHERE place = 1
    UNION ALL
    SELECT best.sources, best.budget, best.run_id, MAX(score.id)
    FROM best
    JOIN score ON score.prompt_sha = best.prompt_sha AND score.split = 'test'
    WHERE best.place = 1 AND score.is_primary
    GROUP BY best.sources, best.budget, best.run_id, score.dataset_sha, score.metric
),
mean (sources, budget, split, dataset_sha, metric, seeds, value, low, high, n, run_id) AS (
    SELECT
        told.sources, told.budget, score.split, score.dataset_sha, score.metric,
        COUNT(*),
        AVG(score.value),
        CASE WHEN COUNT(score.low) = COUNT(*) THEN AVG(score.low) END,
        CASE WHEN COUNT(score.low) = COUNT(*) THEN AVG(score.high) END,
        MIN(score.n),
        MIN(told.run_id)
    FROM told
    JOIN score ON score.id = told.score_id
    GROUP BY told.sources, told.budget, score.split, score.dataset_sha, score.metric
),
pair (run_id, sources, split, dataset_sha, metric, n, transfer, scratch, transfer_seeds,
      scratch_seeds, transfer_low, transfer_high, scratch_low, scratch_high, place) AS (
    SELECT
        ours.run_id, ours.sources, ours.split, ours.dataset_sha, ours.metric, ours.n, ours.value,
        theirs.value, ours.seeds, theirs.seeds, ours.low, ours.high, theirs.low, theirs.high,
        ROW_NUMBER() OVER (
            PARTITION BY ours.sources, ours.budget
            ORDER BY ours.split, ours.seeds + theirs.seeds DESC, ours.n DESC, ours.dataset_sha,
                ours.metric
        )
    FROM mean AS ours
    JOIN mean AS theirs
        ON theirs.budget = ours.budget AND theirs.split = ours.split
        AND theirs.dataset_sha = ours.dataset_sha AND theirs.metric = ours.metric
    WHERE ours.sources <> '' AND theirs.sources = ''
)
SELECT
    pair.sources,
    run.task AS target,
    backbone.name AS backbone,
    backbone.sha AS backbone_sha,
    trial.train_sha,
    run.max_steps AS steps,
    run.batch_size,
    trial.tokens,
    pair.split,
    pair.dataset_sha,
    pair.n,
    pair.metric,
    pair.transfer,
    pair.scratch,
    pair.transfer - pair.scratch AS gain,
    pair.transfer_seeds,
    pair.scratch_seeds,
    pair.transfer_low,
    pair.transfer_high,
    pair.scratch_low,
    pair.scratch_high
FROM pair
JOIN run ON run.id = pair.run_id
JOIN backbone ON backbone.sha = run.backbone_sha
JOIN trial ON trial.run_id = run.id AND trial.sources = pair.sources
WHERE pair.place = 1
ORDER BY pair.sources, target, backbone, backbone_sha, train_sha, steps, run.batch_size, tokens;
