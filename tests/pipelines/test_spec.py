"""Specs: what is identity and what is not, and one line for everything that can be wrong."""

from pathlib import Path

import pytest
import yaml

import tasks
from pipelines.group_spec import GroupSpec, MemberSpec
from pipelines.plan import TransferSpec
from pipelines.spec import AdaptSpec, EvaluateSpec, FewShotSpec, LearnSpec, TeachSpec
from pipelines.spec_file import BadSpec

SPECS = Path(__file__).parents[2] / "pipelines" / "specs"
CONTENT = {"train": ["1" * 64], "validation": ["2" * 64], "backbone": ["3" * 64]}

# A spec of each stage, and for each of its values another one.
TRAINING = {
    "patience": 2,
    "steps": 11,
    "batch_size": 31,
    "learning_rate": 0.2,
    "weight_decay": 0.0,
    "warmup": 0.2,
    "clip": 2.0,
    "validations": 3,
    "train_rows": 9,
    "validation_rows": 9,
    "max_length": 99,
    "precision": "bfloat16",
    "seed": 1,
}
SOURCE = {
    "factor_learning_rate": 0.3,
    "rank": 2,
    "factors": "peft",
    "start": "teachers",
    "sampling_cap": 8,
    "freeze_absent_tasks": False,
    "distillation": {"weight": 0.5},
}
FEW = {"shots": 4, "per_class": False, "seed": 0}
CONTEXT = {"input_radius": 0.3, "format_radius": 0.3, "decay": 0.5}
STAGES = {
    "teach": (TeachSpec(task="rte", steps=10), TRAINING | {"prompt_length": 9, "draw": FEW}),
    "learn": (
        LearnSpec(tasks=["mnli", "sst2"], steps=10),
        TRAINING | SOURCE | {"prompt_length": 9},
    ),
    "adapt": (
        AdaptSpec(task="rte", steps=10),
        TRAINING
        | {"factor_learning_rate": 0.3, "start": "mnli", "freeze_shared": True, "draw": FEW},
    ),
    "group": (
        GroupSpec(tasks=["rte", "cb"], steps=10),
        TRAINING
        | {"factor_learning_rate": 0.3, "start": "mnli", "freeze_shared": True}
        | {"sampling_cap": 8},
    ),
    "member": (
        MemberSpec(task="cb", place=1),
        {"place": 0, "precision": "bfloat16", "seed": 1, "validation_rows": 9, "max_length": 9},
    ),
    "few_shot": (
        FewShotSpec(task="rte", draw=FEW),
        {name: value for name, value in TRAINING.items() if name not in {"train_rows", "patience"}}
        | CONTEXT
        | {"draw": FEW | {"seed": 1}, "weight_decay": 0.1},
    ),
    "evaluate": (
        EvaluateSpec(task="rte"),
        {"method": "majority", "precision": "bfloat16", "seed": 1, "max_length": 9, "test_rows": 9},
    ),
}
VALUES = [(stage, name) for stage, (_, others) in STAGES.items() for name in others]
DISTILLATION = {
    "weight": 0.5,
    "temperature": 1.0,
    "logits": False,
    "decoder_layers": [-2],
    "encoder_layers": [-1],
}
PINNED = {
    "teach": "7cc14f3355ccf83418fb9a2918796d9a8773d451877c98200acf2822076026cf",
    "learn": "2be6b7595cd63d313b4018e3526061060c9d43ad774e63549bc89011bb5d035e",
    "adapt": "57c86a04329930c205af3b7a5b155584fe3a31a7131d4dadaf80ce864aad9b5e",
    "group": "11cfb8d947764398bd3d12653473245cff8df50d5d3d707fa599ee860b406f55",
    "member": "4f7ea02fe788bc5400e80f76f3e4c4a390d86add93cf119a8c67b22417a728b3",
    "few_shot": "23eeeb8de759d2dc77b12bfd5071f2ef0eddb2fef4d9ecffed8295fa3d3082ae",
    "evaluate": "ffe4fa383f275fabc89182e6b9984d5c935b80c4d5de23d88efeae3040ca1f1a",
}

GOOD = """
name: small
backbone: nano-t5
seeds: [0, 1]
prompt_length: 7
sources: [mnli, sst2]
targets: [rte]
teach: {steps: 5}
learn: {steps: 6}
adapt: {steps: 7, batch_size: 8, learning_rate: 0.2, max_length: 64, train_rows: 50}
"""


def changed(spec, **values):
    return type(spec).model_validate(spec.model_dump() | values)


def load(folder, text):
    path = folder / "spec.yaml"
    path.write_text(text)
    return TransferSpec.load(path)


# Identity


@pytest.mark.parametrize("stage", STAGES)
def test_a_fingerprint_is_the_same_for_ever(stage):
    assert STAGES[stage][0].fingerprint(CONTENT) == PINNED[stage]


@pytest.mark.parametrize(("stage", "name"), VALUES)
def test_every_value_bears_identity(stage, name):
    spec, others = STAGES[stage]
    other = changed(spec, **{name: others[name]})
    assert other.fingerprint(CONTENT) != spec.fingerprint(CONTENT)


@pytest.mark.parametrize("name", DISTILLATION)
def test_every_value_of_the_distillation_bears_identity(name):
    spec, _ = STAGES["learn"]
    other = changed(spec, distillation={name: DISTILLATION[name]})
    assert other.fingerprint(CONTENT) != spec.fingerprint(CONTENT)


@pytest.mark.parametrize("stage", STAGES)
def test_the_table_above_forgets_no_value(stage):
    spec, others = STAGES[stage]
    assert {*others, *spec.named} >= type(spec).model_fields.keys()


@pytest.mark.parametrize("stage", STAGES)
def test_names_of_backbone_and_tasks_bear_no_identity(stage):
    spec, _ = STAGES[stage]
    names = {"tasks": ["a", "b"]} if stage in {"learn", "group"} else {"task": "a"}
    other = changed(spec, backbone="a/copy", **names)
    assert other.fingerprint(CONTENT) == spec.fingerprint(CONTENT)


@pytest.mark.parametrize("role", CONTENT)
def test_content_bears_identity(role):
    spec, _ = STAGES["teach"]
    assert spec.fingerprint(CONTENT | {role: ["4" * 64]}) != spec.fingerprint(CONTENT)


def test_content_bears_identity_in_its_order_and_in_its_role():
    spec, _ = STAGES["learn"]
    contents = ({"a": ["1", "2"]}, {"a": ["2", "1"]}, {"b": ["1", "2"]}, {"a": ["1"], "b": ["2"]})
    assert len({spec.fingerprint(content) for content in contents}) == 4


def test_the_order_in_which_roles_are_named_does_not():
    spec, _ = STAGES["teach"]
    assert spec.fingerprint(dict(reversed(CONTENT.items()))) == spec.fingerprint(CONTENT)


def test_stage_and_version_bear_identity(monkeypatch):
    values = {"task": "rte", "steps": 10}
    spec = TeachSpec(**values)
    renamed = type("RenamedSpec", (TeachSpec,), {})(**values)
    assert renamed.fingerprint(CONTENT) != spec.fingerprint(CONTENT)
    first = spec.fingerprint(CONTENT)
    monkeypatch.setattr(TeachSpec, "version", 2)
    assert spec.fingerprint(CONTENT) != first


def test_a_spec_that_was_read_from_yaml_has_the_fingerprint_of_one_made_in_python(tmp_path):
    spec = load(tmp_path, GOOD).teach_specs(1)[0]
    made = TeachSpec(task="mnli", steps=5, seed=1, prompt_length=7)
    assert spec.fingerprint(CONTENT) == made.fingerprint(CONTENT)


# What a transfer asks of each stage


def test_the_baseline_has_the_steps_rows_and_rates_of_the_adaptation(tmp_path):
    spec = load(tmp_path, GOOD)
    adapt, scratch = (
        spec.adapt_spec("rte", 1).model_dump(),
        spec.scratch_spec("rte", 1).model_dump(),
    )
    own = {"factor_learning_rate", "start", "freeze_shared"}
    assert adapt.keys() - scratch.keys() == own
    assert scratch == {k: v for k, v in adapt.items() if k not in own} | {"prompt_length": 7}
    assert (scratch["steps"], scratch["batch_size"], scratch["learning_rate"]) == (7, 8, 0.2)


def test_the_baseline_and_a_teacher_of_the_same_recipe_are_one_run(tmp_path):
    same = GOOD.partition("teach:")[0] + "teach: {steps: 9}\nlearn: {steps: 6}\nadapt: {steps: 9}"
    spec = load(tmp_path, same)
    assert spec.scratch_spec("mnli", 0) == spec.teach_specs(0)[0]


def test_every_stage_gets_what_belongs_to_it(tmp_path):
    spec = load(tmp_path, GOOD + "precision: bfloat16\n")
    teachers, learn = spec.teach_specs(1), spec.learn_spec(1)
    assert [(one.task, one.steps, one.seed) for one in teachers] == [("mnli", 5, 1), ("sst2", 5, 1)]
    assert (learn.tasks, learn.steps, learn.prompt_length, learn.seed) == (
        ["mnli", "sst2"],
        6,
        7,
        1,
    )
    test = spec.evaluate_spec("rte", 1, "majority")
    assert (test.task, test.method, test.max_length, test.seed) == ("rte", "majority", 64, 1)
    everything = [*teachers, learn, spec.adapt_spec("rte", 1), spec.scratch_spec("rte", 1), test]
    assert {one.precision for one in everything} == {"bfloat16"}


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_committed_spec_loads_and_names_known_tasks(path):
    spec = TransferSpec.load(path)
    assert spec.name == path.stem
    for name in (*spec.sources, *spec.targets):
        tasks.get(name)
    assert len(spec.seeds) >= 3
    # A later run must ask for the very same thing: nothing is lost on the way through YAML.
    assert TransferSpec.model_validate(yaml.safe_load(yaml.safe_dump(spec.model_dump()))) == spec


def test_the_demo_transfers_from_source_tasks_to_targets_of_the_mini_suite():
    spec = TransferSpec.load(SPECS / "demo.yaml")
    assert {tasks.get(name).role for name in spec.sources} == {"source"}
    assert {tasks.get(name).role for name in spec.targets} == {"target"}
    assert len({tasks.get(name).family for name in spec.targets}) >= 3


# What is wrong, in one line


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("steps: 5", "steps: 5, stepz: 6", "teach.stepz is not a key of a spec"),
        ("name: small", "nom: small", "nom is not a key of a spec"),
        ("steps: 5", "batch_size: 5", "teach.steps is not given"),
        ("sources: [mnli, sst2]", "", "sources is not given"),
        ("steps: 5", "steps: 0", "teach.steps is 0: Input should be greater than 0"),
        ("steps: 5", "steps: 5.5", "teach.steps is 5.5: Input should be a valid integer"),
        ("steps: 5", "steps: '5'", "teach.steps is '5': Input should be a valid integer"),
        ("steps: 5", "steps: true", "teach.steps is True: Input should be a valid integer"),
        ("steps: 5", "steps: 5, warmup: 1.0", "teach.warmup is 1.0: Input should be less than 1"),
        ("steps: 5", "steps: 5, clip: .inf", "teach.clip is inf: Input should be a finite"),
        ("steps: 5", "steps: 5, clip: .nan", "teach.clip is nan: Input should be a finite"),
        ("steps: 5", "steps: 5, learning_rate: -1", "teach.learning_rate is -1: Input should be"),
        ("steps: 5", "steps: 5, weight_decay: .inf", "teach.weight_decay is inf: Input should be"),
        ("steps: 6", "steps: 6, distillation: {weight: .inf}", "learn.distillation.weight is inf"),
        ("steps: 6", "steps: 6, rank: 0", "learn.rank is 0: Input should be greater than 0"),
        ("steps: 6", "steps: 6, start: zero", "'teachers' or 'vocabulary'"),
        ("seeds: [0, 1]", "seeds: [0, -1]", "seeds.1 is -1: Input should be greater than or equal"),
        ("seeds: [0, 1]", "seeds: []", "seeds is []: List should have at least 1 item"),
        ("seeds: [0, 1]", "seeds: [0, 0]", "seeds names 0 twice: leave one out"),
        ("[mnli, sst2]", "[mnli, sst2, mnli]", "sources names mnli twice: leave one out"),
        ("targets: [rte]", "targets: [rte, rte]", "targets names rte twice: leave one out"),
        ("{steps: 7,", "{start: qqp, steps: 7,", "adapt.start is 'qqp': give average, identity or"),
        ("name: small", "name: ../small", "name is '../small': String should match pattern"),
        ("teach: {steps: 5}", "teach: 5", "teach is 5: Input should be a valid dictionary"),
        ("teach: {steps: 5}", "teach: {steps: 5", "it is not YAML: while parsing a flow mapping"),
        (GOOD, "", "it must hold keys and values, as in pipelines/specs/demo.yaml"),
        (GOOD, "- mnli", "it must hold keys and values, as in pipelines/specs/demo.yaml"),
        ("steps: 5}", "steps: 5}\nteach: {steps: 50}", "teach is given twice: leave one"),
    ],
)
def test_what_is_wrong_with_a_spec_is_said_in_one_line(tmp_path, old, new, says):
    with pytest.raises(BadSpec) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'spec.yaml'}: ")
    assert says in line
    assert "\n" not in line


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    with pytest.raises(BadSpec, match=r"teach\.steps is 0.*; learn\.steps is -1"):
        load(tmp_path, GOOD.replace("steps: 5", "steps: 0").replace("steps: 6", "steps: -1"))


@pytest.mark.parametrize("name", ["none.yaml", "."])
def test_a_spec_that_is_no_file_is_said_to_be_none(tmp_path, name):
    with pytest.raises(BadSpec, match=r"it cannot be read \(.*\): give a YAML file"):
        TransferSpec.load(tmp_path / name)


def test_a_file_that_is_no_text_is_said_to_be_none(tmp_path):
    (tmp_path / "spec.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSpec, match="it is not YAML"):
        TransferSpec.load(tmp_path / "spec.yaml")
