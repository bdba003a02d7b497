"""What a stage reads: a task with its rows, tokenised for a backbone, and checked against it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import tasks
from mpt import token_file
from mpt.backbone import Backbone
from mpt.decoder_only import DecoderOnly
from mpt.encoding import Encoded
from pipelines.records import BackboneInfo, DatasetInfo, DrawInfo, Split, TemplateInfo
from pipelines.spec import Draw
from tasks import Example, Task
from tasks.data import Data, digest, load
from tasks.describe import definition
from tasks.draws import draw

KEPT_FROM = 1000  # examples; the tokens of fewer are made sooner than they are found


class TooLong(ValueError):
    """A prompt and an input together are longer than the backbone says it can read."""

    def __init__(
        self, prompt: int, length: int, backbone: str, limit: int, *, task: str, instead: str
    ) -> None:
        super().__init__(
            f"a prompt of {prompt} tokens and inputs of up to {length} for {task!r} make "
            f"{prompt + length}, but {backbone!r} declares {limit}: give {instead}, or a "
            f"max_length of {max(limit - prompt, 0)} or less"
        )


class OnlyTestRows(ValueError):
    """A diagnostic set is to be trained on or chosen by; it has test rows only."""

    def __init__(self, task: Task) -> None:
        trained = " or ".join(task.trained_on)
        super().__init__(
            f"{task.name!r} has test rows only: train a prompt on {trained} and evaluate that one"
        )


@dataclass(frozen=True)
class TaskInput:
    """A task and the examples of its three splits."""

    task: Task
    data: Data
    cache: Path | None = None
    """Where the tokens of many examples are kept; the files may be deleted at any time."""

    @classmethod
    def open(cls, name: str, folder: Path | None, cache: Path | None = None) -> "TaskInput":
        """Read a task's rows from `folder`, from the hub, from its own files, or make them.

        Args:
            name: of a task, or the YAML file of a user's own.
            folder: rows of registered tasks; None is the hub.
            cache: see `TaskInput.cache`.

        Raises:
            UnknownTask: no task has this name.
            BadDefinition: the file of a user's own task is not there, or wrong.
            ValueError: its rows are missing, empty or wrong; see `tasks.data.load`.
        """
        task = tasks.find(name)
        return cls(task, load(task, folder), cache)

    def check_split(self, split: Split) -> None:
        """Refuse a split that a diagnostic set does not have.

        Raises:
            OnlyTestRows: it has test rows only.
        """
        if self.task.trained_on and split != "test":
            raise OnlyTestRows(self.task)

    def examples(self, split: Split, limit: int | None = None) -> list[Example]:
        """Return the first `limit` examples of `split`, or all; see `check_split`."""
        self.check_split(split)
        found: list[Example] = getattr(self.data, split)
        return found[:limit]

    def info(self, split: Split, limit: int | None = None) -> DatasetInfo:
        """Return what lineage keeps of the first `limit` examples of `split`; see `check_split`."""
        self.check_split(split)
        if limit is not None and limit < len(getattr(self.data, split)):
            examples = self.examples(split, limit)
            return self._info(split, digest(self.task, examples), len(examples))
        return self._info(split, self._digests[split], len(getattr(self.data, split)))

    def training(self, limit: int | None, few: Draw | None) -> list[Example]:
        """Return what is trained on: the first `limit` examples, or a few that are drawn.

        Raises:
            TooFewExamples: there are not so many to draw from.
        """
        if few is None:
            return self.examples("train", limit)
        candidates = self.examples("train", limit)
        return draw(self.task, candidates, few.shots, few.per_class, few.seed)

    def training_info(self, limit: int | None, few: Draw | None) -> DatasetInfo:
        """Return what lineage keeps of `training`."""
        whole = self.info("train", limit)
        if few is None:
            return whole
        drawn = self.training(limit, few)
        how = DrawInfo(whole, few.seed, few.shots, few.per_class)
        info = self._info("train", digest(self.task, drawn), len(drawn))
        return replace(info, origin=f"drawn from {whole.origin}", draw=how)

    def max_input(self, limit: int | None) -> int:
        """Return how many tokens of an input are kept."""
        return limit or self.task.max_input

    def limits(self, limit: int | None) -> str:
        """Return how much of inputs and answers is kept: it can change a number."""
        return f"{self.max_input(limit)} {self.task.max_answer}"

    def encode(
        self,
        backbone: Backbone,
        examples: Sequence[Example],
        limit: int | None,
        behind_context: bool = False,
    ) -> Encoded:
        """Tokenise `examples` with the answer that is trained on, or find their tokens."""
        if self.cache is None or len(examples) < KEPT_FROM:
            return self._tokenise(backbone, examples, limit, behind_context)
        what = [
            token_file.FORMAT, backbone.digest, digest(self.task, examples), self.limits(limit),
            behind_context,
        ]  # fmt: skip
        path = self.cache / f"{sha256(json.dumps(what).encode()).hexdigest()}.safetensors"
        found = token_file.load(path)
        if found is None:
            found = self._tokenise(backbone, examples, limit, behind_context)
            token_file.save(found, path)
        return found

    def _tokenise(
        self,
        backbone: Backbone,
        examples: Sequence[Example],
        limit: int | None,
        behind_context: bool,
    ) -> Encoded:
        inputs, answers = [one.input for one in examples], [one.answers[0] for one in examples]
        lengths = self.max_input(limit), self.task.max_answer
        if behind_context:
            assert isinstance(backbone, DecoderOnly), "lineage says so of each context prompt"
            return backbone.encode_next(inputs, answers, *lengths)
        return backbone.encode(inputs, answers, *lengths)

    def check_length(
        self,
        backbone: Backbone,
        name: str,
        prompt_length: int,
        limit: int | None,
        *,
        instead: str = "a shorter prompt_length",
    ) -> None:
        """Refuse inputs that do not fit beside a prompt; `instead` is what to give.

        Raises:
            TooLong: prompt and input are over what the backbone declares.
        """
        length = self.max_input(limit)
        if backbone.max_length is not None and prompt_length + length > backbone.max_length:
            raise TooLong(
                prompt_length, length, name, backbone.max_length, task=self.task.name,
                instead=instead,
            )  # fmt: skip

    @cached_property
    def _digests(self) -> dict[Split, str]:
        # Hashed once: MNLI's 400,000 rows take seconds, and every stage asks.
        splits: tuple[Split, ...] = ("train", "validation", "test")
        return {split: digest(self.task, getattr(self.data, split)) for split in splits}

    @cached_property
    def _template(self) -> TemplateInfo:
        return TemplateInfo(self.task.name, definition(self.task))

    def _info(self, split: Split, sha: str, rows: int) -> DatasetInfo:
        return DatasetInfo(
            sha=sha, task=self.task.name, split=split, origin=self.data.origin,
            num_rows=rows, revision=self.data.revision, template=self._template,
        )  # fmt: skip


def backbone_info(backbone: Backbone, name: str) -> BackboneInfo:
    """Return what lineage keeps of a backbone."""
    return BackboneInfo(
        sha=backbone.digest,
        name=name,
        hidden_size=backbone.hidden_size,
        num_layers=backbone.num_layers,
        num_heads=backbone.num_heads,
        parameters=backbone.num_parameters,
        architecture=backbone.architecture,
    )
