"""A tiny real world for the tests of stages and flows: nothing is downloaded, nothing is faked."""

import json
import os
import shutil
from contextlib import contextmanager
from functools import cache

# Before torch and Hugging Face are imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

import tasks
from mpt.loading import load
from pipelines.inputs import TaskInput
from pipelines.lineage import Lineage
from pipelines.records import Environment
from pipelines.services import Services
from pipelines.store import Store

TINY = {"d_model": 32, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 4}
LONGEST = 512  # tokens that the tiny backbone says it can read


def train_tokenizer(texts, vocabulary, longest=None):
    """Return a byte-level BPE tokenizer: it can write any text."""
    backend = Tokenizer(models.BPE(unk_token=None))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    limit = {"model_max_length": longest} if longest else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="</s>", pad_token="<pad>", **limit
    )


def save_tiny(folder, seed):
    """Write a random T5 v1.1 that anybody could load."""
    texts = [one.input for one in task_input("mini_review").examples("train", 200)]
    texts += [one.input for one in task_input("mini_owner").examples("train", 200)]
    tokenizer = train_tokenizer(texts, 600, LONGEST)
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(
        T5Config(
            **TINY,
            vocab_size=len(tokenizer),
            decoder_start_token_id=0,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
        )
    )
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return str(folder)


def save_tiny_lm(folder):
    """Write a random Llama that anybody could load."""
    texts = [one.input for one in task_input("mini_dining").examples("train", 200)]
    texts += ["sentence: answer: negative", "sentence: answer: positive"] * 50
    tokenizer = train_tokenizer(texts, 600, LONGEST)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=LONGEST,
            bos_token_id=1,
            eos_token_id=1,
            pad_token_id=0,
        )
    )
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return str(folder)


@cache
def task_input(name, folder=None):
    """Open a task once in a session."""
    return TaskInput.open(name, folder)


@cache
def load_backbone(name, precision="float32"):
    """Open a backbone once in a session: nothing may change it."""
    return load(name, dtype=getattr(torch, precision))


@contextmanager
def silence(stage, task, steps):
    """Show no progress."""
    yield lambda step, loss: None


def make_services(folder, progress=silence):
    """Open the real services on `folder`; its lineage must be closed by whoever opens them."""
    return Services(
        backbone=load_backbone,
        task=lambda name: task_input(name, folder / "data"),
        store=Store(folder / "store"),
        lineage=Lineage.open(f"sqlite:///{folder}/lineage.db", folder / "locks"),
        checkpoints=folder / "checkpoints",
        cache=folder / "cache",
        progress=progress,
        environment=Environment("cpu", threads=1, versions={"torch": torch.__version__}),
    )


@pytest.fixture(scope="session")
def make_tokenizer():
    return train_tokenizer


@pytest.fixture(scope="session")
def services_at():
    """Open the real services on a folder."""
    return make_services


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory):
    """The folder of a tiny random T5, as a name that `load` and a spec take."""
    return save_tiny(tmp_path_factory.mktemp("tiny"), seed=0)


@pytest.fixture(scope="session")
def other_backbone(tmp_path_factory):
    """The folder of another one, of the same shape."""
    return save_tiny(tmp_path_factory.mktemp("other"), seed=1)


@pytest.fixture(scope="session")
def tiny_lm(tmp_path_factory):
    """The folder of a tiny random Llama."""
    return save_tiny_lm(tmp_path_factory.mktemp("tiny-lm"))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """SQLite's tables, made once: a file to copy."""
    folder = tmp_path_factory.mktemp("migrated")
    Lineage.open(f"sqlite:///{folder}/lineage.db", folder).close()
    return folder / "lineage.db"


@pytest.fixture(scope="session")
def mlflow_tables(tmp_path_factory):
    """MLflow's tables, made once, since that takes it seconds: a file to copy."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    uri = f"sqlite:///{file}"
    MlflowClient(uri, registry_uri=uri).search_experiments(max_results=1)
    return file


@pytest.fixture
def svc(tmp_path, migrated):
    """The real services, on a new folder; rows of published tasks come from its `data`."""
    shutil.copy(migrated, tmp_path / "lineage.db")
    services = make_services(tmp_path)
    yield services
    services.lineage.close()


@pytest.fixture
def write_rows(tmp_path):
    """Write the rows of one split of a task to where `svc` looks for them."""

    def write(task, split, rows):
        file = tmp_path / "data" / tasks.get(task).name / f"{split}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    return write
