"""Prompts leave as adapters that PEFT loads."""

import pytest
import torch
from peft import PeftModel
from torch.testing import assert_close
from transformers import AutoModelForSeq2SeqLM

from mpt.loading import load
from mpt.peft_format import unpack


@pytest.fixture
def source(transferred):
    """The home of a transfer, and the record of its source prompt."""
    home = transferred[0]
    (sha,) = home.query("SELECT sha FROM prompt WHERE kind = 'source'")[0]
    return home, sha


def logits(spec, sha, home, task):
    """Return what we say to a few words, and the words."""
    backbone = load(spec["backbone"], "cpu", torch.float32)
    batch = backbone.encode(["word 3 of a sentence"], ["yes"], 50, 9).batch([0], [task], "cpu")
    prompt = unpack((home.folder / "store" / sha[:2] / sha).read_bytes())
    return backbone(prompt(batch.task_ids), batch).logits, batch


@pytest.mark.parametrize(("fused", "kind"), [
    (None, "MULTITASK_PROMPT_TUNING"), ("mrpc", "PROMPT_TUNING"),
])  # fmt: skip
def test_peft_loads_what_is_exported_with_equal_logits(fused, kind, source, spec, tmp_path):
    home, sha = source
    flags = ["--fused", fused] if fused else []
    said = home.run("export", sha[:8], "--to", tmp_path / "adapter", *flags, "--json")
    assert said.status == 0, said.err
    assert said.json["peft_type"] == kind
    assert said.json["prompt"] == sha
    assert said.json["tasks"] == ([fused] if fused else ["rte", "mrpc"])
    model = AutoModelForSeq2SeqLM.from_pretrained(spec["backbone"])
    theirs = PeftModel.from_pretrained(model, tmp_path / "adapter").eval()
    ours, batch = logits(spec, sha, home, 1)
    which = {} if fused else {"task_ids": batch.task_ids}
    said = theirs(
        input_ids=batch.input_ids, attention_mask=batch.mask, labels=batch.labels, **which
    )
    assert_close(said.logits, ours, rtol=1e-4, atol=1e-5)


def test_what_is_given_away_is_recorded_once_for_each_content(after_transfer, tmp_path):
    home = after_transfer
    (sha,) = home.query("SELECT sha FROM prompt WHERE kind = 'source'")[0]
    folders = [tmp_path / name for name in ("one", "two", "three")]
    told = [home.run("export", sha, "--to", one, "--json").json for one in folders[:2]]
    told.append(home.run("export", sha, "--to", folders[2], "--fused", "mrpc", "--json").json)

    assert all((one / "adapter_model.safetensors").exists() for one in folders)
    assert told[0]["adapter"] == told[1]["adapter"] != told[2]["adapter"]
    edges = home.query("SELECT child_sha, parent_sha FROM edge WHERE role = 'exported_as'")
    assert sorted(edges) == sorted((one["adapter"], sha) for one in told[1:])
    runs = home.query("SELECT task, status, spec FROM run WHERE stage = 'export' ORDER BY task")
    assert [one[:2] for one in runs] == [("mrpc", "completed"), ("multitask", "completed")]
    assert str(tmp_path) not in str(runs)


def test_what_cannot_be_exported_is_one_line(source, tmp_path):
    home, sha = source
    (tmp_path / "mine").write_text("not an adapter")
    for words, said, status in [
        ([sha, "--to", tmp_path], "is not empty: give a folder that is new or empty", 2),
        ([sha, "--to", tmp_path / "mine"], "is a file", 2),
        ([sha, "--to", tmp_path / "new", "--fused", "cola"], "no task vector for 'cola'", 2),
        (["abcdef", "--to", tmp_path / "new"], "abcdef", 3),
    ]:
        found = home.run("export", *words)
        assert found.status == status
        assert said in found.err
        assert found.err.count("\n") == 1
    assert not (tmp_path / "new").exists()
