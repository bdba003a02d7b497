"""`adapt --together`: one prompt for several targets, and each target's part of it."""

import json

import pytest

from mpt.peft_format import unpack

FEW = ("--steps", "3", "--batch-size", "4", "--validations", "1", "--backbone")
TOGETHER = ("adapt", "cb", "cola", "--together", *FEW)


def source_of(home):
    return home.query("SELECT sha FROM prompt WHERE kind = 'source'")[0][0]


def prompt_of(home, sha):
    return unpack((home.folder / "store" / sha[:2] / sha).read_bytes())


def test_targets_that_share_a_prompt_are_tested_counted_and_found_again(
    after_transfer, tiny_backbone, tmp_path
):
    home = after_transfer
    said = home.run(*TOGETHER, tiny_backbone, "--json")
    assert said.status == 0, said.err
    found, targets = said.json, said.json["targets"]
    assert found["version"].endswith(".group/1")
    assert [one["task"] for one in targets] == ["cb", "cola"]
    assert found["parameters"] == 4 * 32 + 2 * (4 + 32)
    for k, one in enumerate(targets):
        assert one["version"].endswith(f".{one['task']}/3")  # after the two of the transfer
        assert one["parameters_per_task"] == found["parameters"] / 2
        assert (one["test"]["n"], one["validation"]["n"], one["unregistered"]) == (12, 12, "")
        group = prompt_of(home, found["prompt"])
        assert prompt_of(home, one["prompt"]).task(0).equal(group.task(k))
        tree = home.run("lineage", one["prompt"]).out
        assert "made by: adapt group" in tree
        assert source_of(home)[:12] in tree
    assert home.run("best", "group", "--json").json["prompt"] == found["prompt"]
    before, runs = home.query("SELECT id FROM run ORDER BY id"), home.runs()

    again = home.run(*TOGETHER, tiny_backbone)
    assert home.query("SELECT id FROM run ORDER BY id") == before
    assert runs == len(before)
    assert "200 parameters, 100 for each task" in again.out.splitlines()[-1]
    assert targets[1]["prompt"][:12] in again.out

    folder = tmp_path / "fused"
    assert home.run("export", targets[1]["prompt"], "--to", folder, "--fused", "cola").status == 0
    assert json.loads((folder / "adapter_config.json").read_text())["num_virtual_tokens"] == 4
    source = ("--from", "best", "--json", *FEW)
    alone = home.run("adapt", "cb", *source, tiny_backbone).json[0]
    assert alone["parameters_per_task"] == 4 * 32 + 4 + 32
    tree = home.run("lineage", alone["prompt"]).out
    assert source_of(home)[:12] in tree
    assert found["prompt"][:12] not in tree


def test_a_group_that_fails_is_told_once_and_not_for_each_target(after_transfer, tiny_backbone):
    home = after_transfer
    fast = ("--learning-rate", "1e30", "--factor-learning-rate", "1e30", "--backbone")
    said = home.run("adapt", "cb", "cola", "--together", "--steps", "8", *fast, tiny_backbone)
    assert said.status == 4, said
    assert "1 of 1 groups failed (cb, cola: NonFinite" in said.err.splitlines()[-1]
    assert home.runs("failed") == 1


REFUSED = {
    "no task": ([], 2, "needs a task"),
    "one task": (["cb"], 2, "adapt --together needs two tasks or more"),
    "a task twice": (["cb", "cola", "cb"], 2, "names cb twice"),
    "a task that is not there": (["cb", "colaa"], 2, "did you mean 'cola'?"),
    "a start that it does not know": (["cb", "cola", "--start", "cb"], 2, "cannot start from 'cb'"),
    "too long": (["cb", "cola", "--max-length", "510"], 2, "declares 512"),
    "no rows to mix": (["cb", "cola", "--sampling-cap", "0"], 2, "--sampling_cap"),
    "a source that is none": (["cb", "cola", "--from", "{target}"], 2, "is a target prompt for"),
    "a source that is not there": (["cb", "cola", "--from", "9"], 3, "'9'"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_group_that_cannot_be_is_one_line_before_training(wrong, transferred, tiny_backbone):
    home, (words, status, says) = transferred[0], REFUSED[wrong]
    target = home.query("SELECT sha FROM prompt WHERE kind = 'target'")[0][0]
    before = home.query("SELECT count(*) FROM run")
    words = [one.format(target=target) for one in words]
    said = home.run("adapt", "--together", "--backbone", tiny_backbone, *words)
    assert said.status == status, said
    assert says in said.err
    assert said.err.count("\n") == 1
    assert home.query("SELECT count(*) FROM run") == before
