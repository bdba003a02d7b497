"""The commands about the best prompts and about champions."""

import pandas
import pytest

from flows.settings import open_lineage
from pipelines.frame import best_prompts


@pytest.fixture
def promoted(after_transfer):
    """A home in which the best prompt for cola was promoted, and the digest of that prompt."""
    sha = after_transfer.run("best", "cola", "--json").json["prompt"]
    said = after_transfer.run("promote", sha[:12], "--task", "cola", "--force", "a test")
    assert said.status == 0, said.err
    return after_transfer, sha


def test_best_all_is_a_list_with_the_best_of_each_task(transferred):
    home = transferred[0]
    found = home.run("best", "--all", "--json").json
    assert [one["task"] for one in found] == ["cb", "cola", "mrpc", "multitask", "rte"]
    wanted = {"task", "prompt", "version", "score", "interval", "n", "lineage"}
    assert all(wanted <= one.keys() for one in found)
    for one in found:
        assert one == home.run("best", one["task"], "--json").json
        assert home.query(f"SELECT status FROM run WHERE id = '{one['lineage']}'") == [
            ("completed",)
        ]
    assert home.run("best", "--all", "--from-mlflow", "--json").json == found
    table = home.run("best", "--all").out.splitlines()
    assert table[0].split()[:3] == ["task", "prompt", "kind"]
    assert len(table) == 6


def test_a_data_frame_has_the_same(transferred, monkeypatch):
    home = transferred[0]
    for name, value in home.settings.items():
        monkeypatch.setenv(name, value)
    with open_lineage() as lineage:
        table = best_prompts(lineage)
    assert isinstance(table, pandas.DataFrame)
    assert list(table["prompt"]) == [
        one["prompt"] for one in home.run("best", "--all", "--json").json
    ]


def test_filters_choose_among_the_prompts(transferred, tiny_backbone):
    home = transferred[0]
    prompts = dict(home.query(
        "SELECT prompt.sha, trained FROM prompt JOIN run_prompt ON prompt_sha = prompt.sha "
        "JOIN run ON run.id = run_id WHERE role = 'made' AND run.task = 'cola'"
    ))  # fmt: skip
    fewest = min(prompts.values())
    small = home.run("best", "cola", "--max-params", fewest, "--json").json
    assert small["parameters"] == prompts[small["prompt"]] == fewest
    assert home.run("best", "cola", "--max-params", fewest - 1).status == 3
    assert home.run("best", "cola", "--backbone", tiny_backbone).status == 0
    assert home.run("best", "cola", "--metric", "mcc", "--json").json["metric"] == "mcc"
    for words in (["--backbone", "other"], ["--metric", "f1"], ["--k-shot", "4"]):
        said = home.run("best", "cola", *words)
        assert said.status == 3
        assert "no such prompt for 'cola' is recorded here" in said.err


@pytest.mark.parametrize("words", [
    [], ["cola", "--all"], ["cola", "--max-params", "0"], ["cola", "--k-shot", "-1"],
])  # fmt: skip
def test_what_makes_no_sense_is_one_line_and_status_2(words, home):
    said = home.run("best", *words)
    assert (said.status, said.err.count("\n")) == (2, 1)


def test_for_a_new_task_it_says_where_to_start_and_why(transferred):
    home = transferred[0]
    said = home.run("best", "mini_dining", "--json")
    assert said.status == 3
    assert said.json["prompt"] is None
    source = home.run("best", "multitask", "--json").json["prompt"]
    assert said.json["sources"][0]["prompt"] == source
    assert {one["source_task"] for one in said.json["sources"][0]["evidence"]} == {"rte", "mrpc"}
    text = home.run("best", "mini_dining")
    assert text.out.startswith(f"start from {source[:12]}")
    assert text.out.endswith(f"prompt-transfer adapt mini_dining --from {source[:12]}\n")
    assert "no prompt for 'mini_dining' is recorded here" in text.err


def test_a_forced_champion_is_known_to_sql_to_mlflow_and_to_adapt(promoted):
    home, sha = promoted
    for words in ([], ["--from-mlflow"]):
        best = home.run("best", "cola", "--json", *words).json
        assert (best["prompt"], best["alias"]) == (sha, "champion")
    assert "(champion)" in home.run("best", "cola").out
    (move, *_) = home.run("moves", "cola", "--json").json
    assert (move["move"], move["reason"], move["prompt_sha"]) == ("forced", "a test", sha)
    assert "forced" in home.run("moves").out


def test_a_prompt_that_fails_the_gate_is_one_line_and_status_2(promoted):
    home, champion = promoted
    other = home.query(
        "SELECT prompt_sha FROM registration WHERE task = 'cola' AND standing = 'candidate'"
    )[0][0]
    said = home.run("promote", other, "--task", "cola")
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert "does not become champion" in said.err
    assert home.run("promote", "abcdef").status == 3
    assert home.run("promote", champion, "--task", "rte").status == 2


def test_rollback_and_archive_move_the_place(promoted):
    home, first = promoted
    other = home.query(
        "SELECT prompt_sha FROM registration WHERE task = 'cola' AND standing = 'candidate'"
    )[0][0]
    assert home.run("rollback", "cola", "--reason", "x").status == 3
    assert home.run("rollback", "mini_deed", "--reason", "x").status == 3
    assert home.run("promote", other, "--force", "to try").status == 0
    back = home.run("rollback", "cola", "--reason", "it was worse", "--json").json
    assert back["prompt"] == first
    assert home.run("promote", first, "--archive", "--json").json["prompt"] == first
    assert home.run("best", "cola", "--json").json["alias"] is None
    moves = [one["move"] for one in home.run("moves", "cola", "--json").json]
    assert moves[:4] == ["archived", "restored", "forced", "forced"]


def test_mlflow_that_is_down_is_told_later(promoted):
    home, _ = promoted
    other = home.query(
        "SELECT prompt_sha FROM registration WHERE task = 'cola' AND standing = 'candidate'"
    )[0][0]
    down = {"mlflow_url": "http://127.0.0.1:9"}
    said = home.run("promote", other, "--force", "to try", **down)
    assert said.status == 0
    assert "MLflow will be told later" in said.out
    assert home.run("publish", **down).status == 75
    assert home.run("publish").status == 0
    from_mlflow = home.run("best", "cola", "--from-mlflow", "--json").json
    assert from_mlflow == home.run("best", "cola", "--json").json
