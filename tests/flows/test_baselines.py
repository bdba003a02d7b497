"""`baseline` and `methods`: other methods beside each other, from the command line."""

import pytest

from pipelines.capability import BASELINES

QUICK = (
    "--steps", "2", "--batch-size", "4", "--validations", "1", "--validation-rows", "6",
    "--test-rows", "9",
)  # fmt: skip
METHODS = ("--method", "lora", "--method", "prompt_tuning")


@pytest.fixture(scope="module")
def compared(server, make_home, tiny_backbone):
    """A home in which two methods were trained on two tasks, and what was said."""
    home = make_home()
    words = ("baseline", "cb", "mini_dining", *METHODS, "--prompt-length", "3", *QUICK)
    return home, words, home.run(*words, "--backbone", tiny_backbone, "--json")


def test_each_method_is_trained_and_tested_on_each_task(compared):
    home, _, said = compared
    assert said.status == 0, said.err
    assert [(one["task"], one["method"]) for one in said.json] == [
        ("cb", "lora"), ("cb", "prompt_tuning"), ("mini_dining", "lora"),
        ("mini_dining", "prompt_tuning"),
    ]  # fmt: skip
    for one in said.json:
        lora = one["method"] == "lora"
        assert one["trained"] == (2 * 3 * 2 * 8 * (32 + 32) if lora else 3 * 32)
        assert (one["validation"]["n"], one["test"]["n"], one["majority"]["n"]) == (6, 9, 9)
        assert one["validation"]["method"] == one["test"]["method"] == one["method"]
        assert one["majority"]["method"] == "majority"
        links = home.run("lineage", one["run"], "--json").json
        (asked,) = [link for link in links if link["role"] == "asked for"]
        assert asked["title"] == f"baseline {one['task']} by {one['method']}"
        roles = {link["role"] for link in links if link["of_id"] == one["run"]}
        assert roles >= {"test", "train", "validation", "on"}
    asked = "SELECT stage, count(*) FROM run GROUP BY stage ORDER BY stage"
    assert home.query(asked) == [("baseline", 4), ("evaluate", 2)]
    assert home.query("SELECT count(*) FROM prompt") == [(0,)]


def test_the_same_again_repeats_nothing_and_people_get_a_table(compared, tiny_backbone):
    home, words, _ = compared
    before = home.runs()
    again = home.run(*words, "--backbone", tiny_backbone)
    assert again.status == 0, again.err
    assert home.runs() == before
    for word in ("prompt_tuning", "lora", "trained", "majority", "96", "(9)"):
        assert word in again.out


REFUSED = {
    "no task": (METHODS, 2, "baseline needs a task"),
    "no method": (("cb",), 2, "--method"),
    "an unknown method": (("cb", "--method", "ia3"), 2, "prompt_tuning"),
    "an unknown task": (("mini_dinning", *METHODS), 2, "did you mean 'mini_dining'"),
    "a method that this backbone cannot do": (
        ("cb", *METHODS, "--method", "llama_adapter"), 2, "llama_adapter does not work on",
    ),
    "an option that no method has": (("cb", *METHODS, "--adapter-length", "3"), 2, "has none"),
    "a prompt over the window": (("cb", *METHODS, "--prompt-length", "600"), 2, "declares 512"),
    "full fine-tuning in bfloat16": (
        ("cb", "--method", "full", "--precision", "bfloat16"), 2, "give float32",
    ),
    "no backbone": (("cb", *METHODS, "--backbone", "nano"), 2, "no backbone could be loaded"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_run_is_refused_in_one_line_before_anything_is_trained(
    wrong, make_home, tiny_backbone
):
    home = make_home()
    words, status, says = REFUSED[wrong]
    words = words if "--backbone" in words else [*words, "--backbone", tiny_backbone]
    said = home.run("baseline", *words)
    assert said.status == status, said
    assert says in said.err
    assert said.err.count("\n") == 1
    assert home.query("SELECT count(*) FROM run") == [(0,)]


def test_methods_are_told_with_what_they_work_on(home):
    told = {one["name"]: one for one in home.run("methods", "--json").json}
    assert set(told) == {"MPT", "prompt tuning", "CPT", *BASELINES}
    assert not told["CPT"]["works_on"]["t5"]["works"]
    assert told["llama_adapter"]["works_on"]["llama"] == {"works": True, "note": ""}
    assert told["lora"]["options"] == {"rank": 8}
    said = home.run("methods")
    for word in (*told, "T5", "Mistral", "GPT-2", "causal", "no (1)", "never read"):
        assert word in said.out
