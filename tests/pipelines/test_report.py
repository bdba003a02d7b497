"""The table at the end: intervals and curves worked out by hand, and a whole small transfer."""

from itertools import chain
from random import Random

import pytest

from pipelines.adapt import adapt
from pipelines.evaluate import evaluate
from pipelines.learn import learn
from pipelines.outcome import Target, Transferred, Trial
from pipelines.plan import TransferSpec
from pipelines.report import Scores, gain_interval, is_flat, report, trial_scores
from pipelines.teach import teach
from tasks import Example
from tasks.metrics import accuracy

# The gain


def examples(count):
    return [Example(f"text {at}", ("yes",)) for at in range(count)]


def given(*right):
    return ["yes" if one else "no" for one in right]


def test_equal_answers_gain_nothing_however_often_they_are_drawn():
    answers = given(1, 0, 1, 1, 0)
    assert gain_interval([answers], [answers], examples(5), accuracy) == (0, 0)


def test_all_right_against_all_wrong_gains_everything():
    ours, theirs = given(1, 1, 1), given(0, 0, 0)
    assert gain_interval([ours], [theirs], examples(3), accuracy) == (100, 100)
    assert gain_interval([theirs], [ours], examples(3), accuracy) == (-100, -100)


def test_two_examples_of_which_one_is_gained():
    # Drawing two of two: a gain of 0, 50 or 100 points with probability 1/4, 1/2, 1/4.
    assert gain_interval([given(1, 1)], [given(1, 0)], examples(2), accuracy) == (0, 100)


def test_the_interval_of_many_examples_is_that_of_the_normal_approximation():
    # Half of 400 are gained: standard error 100 * sqrt(0.5 * 0.5 / 400) = 2.5, times 1.96.
    ours, theirs = given(*[1] * 400), given(*[1, 0] * 200)
    low, high = gain_interval([ours], [theirs], examples(400), accuracy)
    assert (low, high) == (pytest.approx(50 - 4.9, abs=1), pytest.approx(50 + 4.9, abs=1))


def test_the_examples_are_drawn_in_pairs():
    # Both are right on the same half: each score varies, their difference does not.
    half = given(*[1, 0] * 20)
    one_more = given(1, 1, *[1, 0] * 19)
    assert gain_interval([half], [half], examples(40), accuracy) == (0, 0)
    low, high = gain_interval([one_more], [half], examples(40), accuracy)
    assert low == 0
    assert high == pytest.approx(7.5, abs=2.6)  # the 97.5 % point of a Poisson of mean 1 is 3 of 40


def test_the_gain_is_that_of_the_mean_over_seeds():
    right, wrong = given(1, 1), given(0, 0)
    assert gain_interval([right, wrong], [wrong, wrong], examples(2), accuracy) == (50, 50)
    assert gain_interval([right], [right, wrong, wrong, wrong], examples(2), accuracy) == (75, 75)


def test_the_interval_is_the_same_every_time():
    draw = Random(1)
    ours, theirs = ([draw.choice(["yes", "no"]) for _ in range(30)] for _ in range(2))
    first = gain_interval([ours], [theirs], examples(30), accuracy)
    assert first == gain_interval([ours], [theirs], examples(30), accuracy)
    assert first[0] < first[1]


# The curve


@pytest.mark.parametrize(
    ("scores", "flat"),
    [
        ([], False),
        ([50], False),  # one point is no curve
        ([50, 50], True),
        ([50, 51], True),
        ([50, 51.5], False),
        ([70, 50], True),  # it fell: nothing more is to be gained
        ([10, 60, 60.5, 61], True),
        ([10, 60, 60, 61.5], False),
        ([60, 10, 20, 61], True),  # the best of each half counts
        ([50, 80, 80], False),  # of three, the first alone is the first half
    ],
)
def test_a_curve_is_flat_when_its_second_half_gains_at_most_a_point(scores, flat):
    assert is_flat(list(enumerate(scores))) is flat


# The table


def test_the_deviation_is_over_seeds():
    assert (Scores((50.0, 60.0, 70.0)).mean, Scores((50.0, 60.0, 70.0)).deviation) == (60, 10)
    assert Scores((50.0,)).deviation == 0


@pytest.fixture(scope="module")
def transfer(tmp_path_factory, services_at, tiny_backbone):
    """A transfer of two seeds, stage by stage; the services, its spec and what it left."""
    svc = services_at(tmp_path_factory.mktemp("transfer"))
    few = {"batch_size": 4, "validation_rows": 12}
    spec = TransferSpec(
        backbone=tiny_backbone,
        seeds=[0, 1],
        prompt_length=5,
        sources=["mini_review", "mini_deed"],
        targets=["mini_dining"],
        teach={"steps": 2, **few},
        learn={"steps": 4, **few, "max_length": 16},
        adapt={"steps": 4, **few, "train_rows": 40},
    )

    def prompt(run_id):
        return svc.lineage.get_run(run_id).prompt

    def trial(run_id, seed):
        tested = evaluate(spec.evaluate_spec("mini_dining", seed, "prompt"), prompt(run_id), svc)
        return Trial(trained=run_id, tested=tested)

    learned, scratch, adapted = [], [], []
    for seed in spec.seeds:
        teachers = [prompt(teach(one, svc)) for one in spec.teach_specs(seed)]
        learned.append(learn(spec.learn_spec(seed), teachers, svc))
        target = adapt(spec.adapt_spec("mini_dining", seed), prompt(learned[-1]), svc)
        adapted.append(trial(target, seed))
        scratch.append(trial(teach(spec.scratch_spec("mini_dining", seed), svc), seed))
    plain = {
        method: evaluate(spec.evaluate_spec("mini_dining", 0, method), None, svc)
        for method in ("majority", "zero_shot")
    }
    target = Target(task="mini_dining", scratch=scratch, adapted=adapted, **plain)
    yield (
        svc,
        spec,
        Transferred(learned=learned, targets=[target], few_shot=[], unregistered="no server"),
    )
    svc.lineage.close()


def test_a_row_of_the_table_says_what_lineage_says(transfer):
    svc, spec, outcome = transfer
    (row,) = report(spec, outcome, svc).rows
    target = outcome.targets[0]

    def tested(run_id):
        return svc.lineage.get_run(run_id).primary("test")

    assert (row.task, row.family, row.metric) == ("mini_dining", "sentiment", "accuracy")
    assert (row.n_train, row.n_test) == (40, 500)
    assert row.majority == tested(target.majority).value
    assert row.zero_shot == tested(target.zero_shot).value
    for shown, trials in ((row.scratch, target.scratch), (row.adapted, target.adapted)):
        assert shown.values == tuple(tested(one.tested).value for one in trials)
    assert row.gain[0] <= row.adapted.mean - row.scratch.mean <= row.gain[1]
    assert row.version == ""


def test_both_methods_were_given_the_same_rows(transfer):
    svc, _, outcome = transfer
    target = outcome.targets[0]
    for ours, theirs in zip(target.adapted, target.scratch, strict=True):
        one, other = svc.lineage.get_run(ours.trained), svc.lineage.get_run(theirs.trained)
        assert one.datasets == other.datasets
        assert [step for step, _ in one.curve] == [step for step, _ in other.curve]


def test_the_source_that_is_shown_is_the_one_that_validated_best(transfer):
    svc, spec, outcome = transfer
    runs = [svc.lineage.get_run(run_id) for run_id in outcome.learned]
    best = max(runs, key=lambda run: run.primary("validation").value)
    shown = report(spec, outcome, svc)
    assert shown.source_digest == best.prompt
    assert shown.source_score == best.primary("validation").value
    assert (shown.seeds, shown.unregistered) == (2, "no server")


def test_the_texts_that_were_cut_in_any_training_are_counted(transfer):
    svc, spec, outcome = transfer
    target = outcome.targets[0]
    trials = [one.trained for one in chain(target.scratch, target.adapted)]
    counts = [svc.lineage.get_run(run_id).truncated for run_id in (*outcome.learned, *trials)]
    assert counts[0] > 0  # of the source prompt, which was given 16 tokens
    assert report(spec, outcome, svc).truncated == sum(counts)


def test_a_trial_has_a_validation_and_a_test_score(transfer):
    svc, _, outcome = transfer
    trial = outcome.targets[0].adapted[0]
    validation, test = trial_scores(trial, svc)
    assert (validation.split, validation.n, validation.run_id) == ("validation", 12, trial.trained)
    assert (test.split, test.n, test.run_id) == ("test", 500, trial.tested)
