"""A context prompt in the registry: what MLflow keeps of it is what PEFT loads."""

import shutil

import pytest
import torch
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from peft import PeftModel
from torch.testing import assert_close

from mpt.peft_format import unpack
from mpt.prompt import Prefix
from pipelines.few_shot import few_shot
from pipelines.registry import Registry
from pipelines.spec import Draw, FewShotSpec, TeachSpec
from pipelines.teach import teach

TASK = "mini_dining"


@pytest.fixture
def registry(svc, tmp_path, mlflow_tables):
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    return Registry(svc.lineage, svc.store, f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "art")


@pytest.fixture
def front(svc, tiny_lm):
    spec = TeachSpec(backbone=tiny_lm, task="mini_review", prompt_length=3, steps=1, batch_size=2,
                     validation_rows=4)  # fmt: skip
    return svc.lineage.get_run(teach(spec, svc)).prompt


@pytest.mark.parametrize(("behind", "kind"), [(False, "CPT"), (True, "PROMPT_TUNING")])
def test_a_registered_context_is_what_peft_loads_with_equal_logits(
    behind, kind, svc, tiny_lm, front, registry, tmp_path
):
    spec = FewShotSpec(backbone=tiny_lm, task=TASK, draw=Draw(shots=2), steps=2, batch_size=2,
                       input_radius=5.0, validation_rows=4)  # fmt: skip
    sha = svc.lineage.get_run(few_shot(spec, front if behind else None, svc)).prompt
    (version,) = registry.publish(sha)
    name, _, number = version.rpartition("/")
    assert name.endswith(f".{TASK}")
    assert svc.lineage.version(sha, TASK) == version

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    source = MlflowClient(uri, uri).get_model_version(name, number).source
    folder = download_artifacts(source, tracking_uri=uri)
    backbone = svc.backbone(tiny_lm, "float32")
    prompt = unpack(svc.store.get(sha)).task(0)
    batch = backbone.encode_next(["sentence: fine"], ["positive"], 50, 9).batch([0], [0], "cpu")
    ours = backbone(Prefix(prompt[None], torch.tensor([0])), batch).logits[:, 0]

    theirs = PeftModel.from_pretrained(backbone.model, folder).eval()
    assert theirs.peft_config["default"].peft_type == kind
    assert theirs.peft_config["default"].num_virtual_tokens == len(prompt)
    ids = batch.input_ids
    expected = theirs(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, -1]
    assert_close(ours, expected, rtol=1e-4, atol=1e-5)
