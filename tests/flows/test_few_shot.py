"""`few-shot`: CPT and its controls on each draw, from the command line and beside a transfer."""

import pytest

from flows.few_shot import CPT, FRONTED, IN_CONTEXT, TUNING

TASK = "mini_dining"
QUICK = ("--draws", "2", "--steps", "2", "--batch-size", "2", "--validation-rows", "6")


@pytest.fixture(scope="module")
def learned(server, make_home, tiny_lm):
    """A home in which a source prompt was learned on the decoder, and a few-shot run made."""
    home = make_home()
    steps = {"steps": 1, "batch_size": 2, "validations": 1, "validation_rows": 4}
    spec = {
        "backbone": tiny_lm, "prompt_length": 3, "sources": ["mini_review", "mini_trade"],
        "teach": steps, "learn": steps, "adapt": steps,
    }  # fmt: skip
    said = home.run("learn", home.write(spec), "--json")
    assert said.status == 0, said.err
    words = (TASK, "--shots", "2", *QUICK, "--from", "best", "--backbone", tiny_lm, "--json")
    return home, home.run("few-shot", *words)


def test_every_method_is_scored_on_the_same_draws(learned):
    home, said = learned
    assert said.status == 0, said.err
    (row,) = said.json["rows"]
    assert (row["task"], row["draws"], row["shots"], row["n_test"]) == (TASK, 2, 2, 500)
    assert [one["method"] for one in row["methods"]] == [IN_CONTEXT, TUNING, CPT, FRONTED]
    for one in row["methods"]:
        assert len(one["scores"]["values"]) == 2
        assert one["interval"][0] <= sum(one["scores"]["values"]) / 2 <= one["interval"][1]
        assert one["version"].startswith("softprompt.")
    trained = home.query(
        "SELECT count(DISTINCT d.dataset_sha) FROM run r JOIN run_dataset d ON d.run_id = r.id "
        "WHERE d.role = 'train' AND (r.stage = 'few_shot' OR r.task = 'mini_dining')"
    )
    assert trained == [(2 + 1,)]  # two draws, and all rows, which the majority class is counted on
    assert home.query("SELECT seed, shots FROM draw ORDER BY seed") == [(0, 2), (1, 2)]


def test_only_the_context_behind_a_source_prompt_has_it_in_its_lineage(learned):
    home, _ = learned
    fronts = home.query("SELECT count(*) FROM run_prompt WHERE role = 'front'")
    contexts = home.query("SELECT count(*) FROM run WHERE stage = 'few_shot'")
    assert (fronts, contexts) == ([(2,)], [(6,)])
    sha = home.query("SELECT run_id FROM run_prompt WHERE role = 'front'")[0][0]
    links = [one for one in home.run("lineage", sha, "--json").json if one["of_id"] == sha]
    assert [one["title"] for one in links if one["role"] == "front"] == [
        "source prompt for multitask"
    ]
    (train,) = [one for one in links if one["role"] == "train"]
    assert train["detail"].startswith("2 rows, drawn from")


def test_the_same_again_repeats_nothing(learned, tiny_lm):
    home, first = learned
    before = home.runs()
    words = (TASK, "--shots", "2", *QUICK, "--from", "best", "--backbone", tiny_lm, "--json")
    again = home.run("few-shot", *words)
    assert again.json["rows"] == first.json["rows"]
    assert home.runs() == before


def test_people_get_a_table_with_an_interval(learned, tiny_lm):
    home, _ = learned
    said = home.run("few-shot", TASK, "--shots", "2", *QUICK, "--backbone", tiny_lm)
    assert said.status == 0, said.err
    for word in ("2 shots, 2 draw(s)", IN_CONTEXT, TUNING, CPT, "95 %", "zero-shot"):
        assert word in said.out
    assert FRONTED not in said.out


def test_a_transfer_has_few_shot_jobs_beside_its_targets(server, make_home, spec, tiny_lm):
    home = make_home()
    context = {"steps": 1, "batch_size": 2, "validation_rows": 4}
    tuning = {"steps": 1, "batch_size": 2, "validations": 1, "validation_rows": 4}
    plan = {
        "backbone": tiny_lm, "tasks": [TASK], "shots": 2, "draws": 1, "prompt_length": 3,
        "context": context, "tuning": tuning,
    }  # fmt: skip
    said = home.run("run", home.write({**spec, "few_shot": plan}), "--json")
    assert said.status == 0, said.err
    assert [row["task"] for row in said.json["rows"]] == ["cola", "cb"]
    (few,) = said.json["few_shot"]
    assert [one["method"] for one in few["methods"]] == [IN_CONTEXT, TUNING, CPT]


REFUSED = {
    "no task": ((), 2, "few-shot needs a task"),
    "one task twice": ((TASK, TASK), 2, f"names {TASK} twice"),
    "an unknown task": (("mini_dinning",), 2, "did you mean 'mini_dining'"),
    "an encoder-decoder": ((TASK, "--backbone", "{tiny}"), 2, "needs a decoder-only one"),
    "a context over the window": ((TASK, "--shots", "64"), 2, "give fewer shots"),
    "more shots than rows": ((TASK, "--shots", "1500", "--per-class"), 2, "draw fewer"),
    "labels that begin alike": (("mini_told",), 2, "begin with the same token"),
    "no shots": ((TASK, "--shots", "0"), 2, "--shots"),
    "a prompt that is not there": ((TASK, "--from", "abcdef12"), 3, "no prompt has the id"),
    "no source prompt here": ((TASK, "--from", "best"), 3, "no source prompt 'best'"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_run_is_refused_in_one_line(wrong, make_home, tiny_backbone, tiny_lm):
    home = make_home()
    words, status, says = REFUSED[wrong]
    words = [one.format(tiny=tiny_backbone) for one in words]
    words = words if "--backbone" in words else [*words, "--backbone", tiny_lm]
    said = home.run("few-shot", *words)
    assert said.status == status, said
    assert says in said.err
    assert said.err.count("\n") == 1
    assert home.query("SELECT count(*) FROM run") == [(0,)]
