"""Prompts that PEFT trained begin a lineage here."""

import json

import peft
import pytest
import torch
from torch.testing import assert_close
from transformers import AutoModelForSeq2SeqLM

from mpt.peft_format import unpack

TASKS = ("rte", "mrpc")


@pytest.fixture
def save(spec, tmp_path):
    """Return a saver of a random adapter of PEFT's; `changed` goes into its configuration."""

    def make(config, **changed):
        torch.manual_seed(0)
        model = AutoModelForSeq2SeqLM.from_pretrained(spec["backbone"])
        adapted = peft.get_peft_model(model, config)
        adapted.save_pretrained(tmp_path / "adapter")
        file = tmp_path / "adapter" / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changed))
        return tmp_path / "adapter", adapted

    return make


def several(**options):
    return peft.MultitaskPromptTuningConfig(
        task_type="SEQ_2_SEQ_LM", num_tasks=2, num_virtual_tokens=4, **options
    )


def one(**options):
    return peft.PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=4, **options)


def flags(names):
    return [word for name in names for word in ("--task", name)]


def test_an_adapter_whose_source_file_is_gone_comes_in_and_leaves_whole(home, save, spec, tmp_path):
    folder, theirs = save(
        several(num_transformer_submodules=1),
        prompt_tuning_init="AVERAGE_SOURCE_TASKS",
        prompt_tuning_init_state_dict_path=str(tmp_path / "gone.safetensors"),
    )
    model = AutoModelForSeq2SeqLM.from_pretrained(spec["backbone"])
    with pytest.raises(FileNotFoundError):
        peft.PeftModel.from_pretrained(model, folder)

    said = home.run("import", folder, *flags(TASKS), "--json")
    assert said.status == 0, said.err
    sha = said.json["prompt"]
    prompt = unpack((home.folder / "store" / sha[:2] / sha).read_bytes())
    assert_close(prompt.shared, theirs.prompt_encoder["default"].embedding.weight)
    assert said.json["validation"]["metric"] == "mean"
    assert said.json["version"].endswith(".multitask/1")

    assert home.run("export", sha, "--to", tmp_path / "back").status == 0
    model = AutoModelForSeq2SeqLM.from_pretrained(spec["backbone"])
    again = peft.PeftModel.from_pretrained(model, tmp_path / "back")
    assert_close(
        again.prompt_encoder["default"].prefix_task_cols,
        theirs.prompt_encoder["default"].prefix_task_cols,
    )


def test_a_prompt_is_taken_in_once_and_is_the_root_of_what_is_made_of_it(home, save, server, spec):
    folder, _ = save(several(num_transformer_submodules=1))
    sha = home.run("import", folder, *flags(TASKS), "--json").json["prompt"]
    assert home.run("import", folder, *flags(TASKS), "--json").json["prompt"] == sha
    assert home.query("SELECT stage, status FROM run") == [("import", "completed")]

    said = home.run(
        "adapt", "cola", "--from", "best", "--backbone", spec["backbone"], "--steps", "2",
        "--batch-size", "4", "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    tree = home.run("lineage", said.json[0]["prompt"]).out
    assert "import multitask" in tree
    assert sha[:12] in tree


def test_a_vanilla_prompt_is_registered_and_judged_like_any_other(home, save):
    folder, _ = save(one(num_transformer_submodules=1))
    said = home.run("import", folder, "--task", "rte")
    assert said.status == 0, said.err
    assert "accuracy" in said.out
    assert "on 12 validation rows" in said.out
    best = home.run("best", "rte", "--json").json
    assert (best["version"], best["alias"]) == (1, None)
    (declined,) = home.run("moves", "rte", "--json").json
    assert f"{best['score']:.2f} does not beat the majority class" in declined["refused"]


def test_a_known_prompt_is_not_taken_in_for_other_tasks(home, save):
    folder, _ = save(several(num_transformer_submodules=1))
    assert home.run("import", folder, *flags(TASKS)).status == 0
    again = home.run("import", folder, *flags(TASKS[::-1]))
    assert again.status == 2
    assert "is known here for rte, mrpc, in this order" in again.err
    assert home.query("SELECT count(*) FROM run") == [(1,)]


@pytest.mark.parametrize(("config", "words", "said"), [
    (several(num_transformer_submodules=1), flags(["rte"]), "has 2 task(s), and 1 are named"),
    (one(num_transformer_submodules=1), flags(["nothing"]), "no task"),
    (one(), flags(["rte"]), "num_transformer_submodules is not 1"),
    (one(num_transformer_submodules=1), ["--task", "rte", "--backbone", "nano-lm"],
     "its architecture is encoder-decoder, the backbone's is decoder-only"),
    (one(num_transformer_submodules=1), ["--task", "rte", "--backbone", "nano-t5"],
     "its hidden size is 32, the backbone's is 256"),
    (peft.PrefixTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=4), flags(["rte"]),
     "of PEFT's type PREFIX_TUNING"),
    (peft.LoraConfig(task_type="SEQ_2_SEQ_LM"), flags(["rte"]), "of PEFT's type LORA"),
    (several(num_transformer_submodules=1), flags(["rte", "rte"]),
     "has 2 task(s), and 1 are named"),
])  # fmt: skip
def test_what_cannot_come_in_is_one_line_and_leaves_nothing(config, words, said, home, save):
    folder, _ = save(config)
    found = home.run("import", folder, *words)
    assert found.status == 2
    assert said in found.err
    assert found.err.count("\n") == 1
    assert home.query("SELECT count(*) FROM run") == [(0,)]
