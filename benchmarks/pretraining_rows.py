"""What a nano backbone is pretrained on: books, and the mini suite's source tasks."""

import lzma
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from benchmarks.disguise import common_words, disguise
from benchmarks.pretraining_questions import QUESTIONS
from benchmarks.word_questions import ask
from tasks import mini
from tasks.mini.generate import distinct, splits, text_of
from tasks.mini.lexicon import Words
from tasks.task import Row, Task

VOCABULARY = 8192
SENTINELS = [f"<extra_id_{at}>" for at in range(64)]
SPECIAL = ["<pad>", "</s>", "<unk>", *SENTINELS]
ROWS_PER_TASK = 30_000
DISGUISED = {"mini_deed", "mini_meeting", "mini_agreement", "mini_whereabouts"}
EASY = {"mini_trade", "mini_review", "mini_agreement"}

# A soft prompt can only choose between things that the backbone can do. So each source task is
# asked for in several ways that want different words, and plain texts are asked about too.
INSTRUCTIONS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "mini_review": (
        ("Is the review positive or negative?", ("negative", "positive")),
        ("Does the writer like it? Answer yes or no.", ("no", "yes")),
        ("Say whether this is good or bad.", ("bad", "good")),
    ),
    "mini_deed": (
        (
            "Does it follow? Answer entailment, neutral or contradiction.",
            ("entailment", "neutral", "contradiction"),
        ),
        ("Is the second true, unknown or false?", ("true", "unknown", "false")),
        ("Does the second follow from the first? Answer yes or no.", ("yes", "no", "no")),
    ),
    "mini_meeting": (
        ("Are the two equivalent or not_equivalent?", ("not_equivalent", "equivalent")),
        ("Do both say the same? Answer yes or no.", ("no", "yes")),
        ("Compare the two: same or different?", ("different", "same")),
    ),
    "mini_agreement": (
        ("Is the sentence acceptable or unacceptable?", ("unacceptable", "acceptable")),
        ("Is this good English? Answer yes or no.", ("no", "yes")),
        ("Is the grammar right or wrong?", ("wrong", "right")),
    ),
    "mini_whereabouts": (
        ("Answer the question: yes or no.", ("no", "yes")),
        ("Is the answer True or False?", ("False", "True")),
    ),
    "mini_trade": (
        ("Is the topic sea, farm, music or law?", ("sea", "farm", "music", "law")),
        ("What is it about?", ("ships", "farming", "music", "law")),
    ),
}


class TextRow(NamedTuple):
    """One supervised row: what is read, what is written, and under which name its loss is kept."""

    name: str
    input: str
    answer: str


def books(folder: Path, pattern: str) -> Iterator[str]:
    """Yield the paragraphs of the corpus files that match `pattern`."""
    for file in sorted(folder.glob(pattern)):
        with lzma.open(file, "rt", encoding="utf-8") as lines:
            yield from (line.strip() for line in lines if line.strip())


def snippets(folder: Path, count: int = 40_000) -> list[str]:
    """Return short texts of 6 to 14 words from the books, one a paragraph."""
    rng = Random(0)
    paragraphs = (text.split() for text in books(folder, "train_*"))
    # A paragraph in eight: so that they come from many books.
    long = (words for words in paragraphs if len(words) >= 16 and rng.random() < 0.125)
    return [" ".join(words[: rng.randint(6, 14)]) for words in islice(long, count)]


def train_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer learned on a quarter of the books and on source rows."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    # The prefix space makes a label word one token sequence wherever it stands.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rows = SupervisedRows(0, snippets(folder, 4000), rows_per_task=3000)
    asked = (text for _ in range(20_000) for text in rows.draw()[1:])
    quarter = (text for file in ("train_00*", "train_04*") for text in books(folder, file))
    tokenizer.train_from_iterator((text for some in (quarter, asked) for text in some), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", SPECIAL.index("</s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=SENTINELS,
        model_max_length=512,
    )


def tokenise_books(
    tokenizer: PreTrainedTokenizerFast, folder: Path, pattern: str, cache: Path
) -> np.ndarray:
    """Return all tokens of the books as one uint16 array, [N]; kept in `cache`."""
    if not cache.exists():
        parts = []
        block: list[str] = []
        backend = tokenizer.backend_tokenizer

        def flush() -> None:
            encoded = backend.encode_batch_fast(block, add_special_tokens=False)
            parts.extend(np.array(one.ids, dtype=np.uint16) for one in encoded)
            block.clear()

        for text in books(folder, pattern):
            block.append(text)
            if len(block) == 20_000:
                flush()
        flush()
        np.save(cache, np.concatenate(parts))
    return np.load(cache, mmap_mode="r")


class SupervisedRows:
    """Source-task rows with instructions, and small questions about their text and the books'."""

    def __init__(
        self, seed: int, snippets: Sequence[str], rows_per_task: int = ROWS_PER_TASK
    ) -> None:
        self._rng = Random(seed)
        self._snippets = snippets
        self._common = common_words(snippets)
        sources = {task.name: task for task in mini.ALL if task.name in INSTRUCTIONS}
        self._pools = {
            name: (task, pretraining_rows(task, rows_per_task)) for name, task in sources.items()
        }
        self._names = list(self._pools)

    def draw(self) -> TextRow:
        """Return one row: a source task, a question about its text, or about a book's."""
        # What one word tells is learned first, and then needs few rows.
        odds = [0.4 if name in EASY else 1 for name in self._names]
        name = self._rng.choices(self._names, odds)[0]
        task, rows = self._pools[name]
        row = self._rng.choice(rows)
        if name in DISGUISED and self._rng.random() < 0.5:
            row = disguise(row, self._common, self._rng)
        fields = task.read(row).input if self._rng.random() < 0.7 else bare(row)
        kind = self._rng.random()
        if kind < 0.5:
            return self._word_question(row)
        if kind < 0.7 and name in QUESTIONS:
            question, answer = QUESTIONS[name](row, self._rng)
            return TextRow("question", f"{question} {fields}", answer)
        instruction, words = self._rng.choice(INSTRUCTIONS[name])
        if self._rng.random() < 0.25:  # the bare choice: less to read is nearer to a soft prompt
            instruction = " or ".join(sorted(set(words), key=lambda _: self._rng.random())) + " ?"
        return TextRow(name, f"{instruction} {fields}", words[row["label"]])

    def _word_question(self, row: Row) -> TextRow:
        other = self._rng.choice(self._snippets)
        if self._rng.random() < 0.4:
            return TextRow(*ask(self._rng.choice(self._snippets), other, self._rng))
        text = max((str(value) for column, value in row.items() if column != "label"), key=len)
        return TextRow(*ask(text, other, self._rng))


def bare(row: Row) -> str:
    """Return the texts of `row` without the names of their columns."""
    return " | ".join(str(value) for column, value in row.items() if column != "label")


def pretraining_rows(task: Task, count: int) -> list[Row]:
    """Return rows of a source task, in words of all splits; none is a validation or test row.

    A backbone should know words that a task's training rows lack, as it would in real use.
    """
    make = mini.MAKERS[task.name]
    kept = splits(make, mini.SEED)
    seen = {text_of(row) for split in ("validation", "test") for row in kept[split]}
    return distinct(make, Words(Random(f"pretraining {task.name}"), held_out=True), count, seen)


def corrupt_spans(
    window: np.ndarray, rng: np.random.Generator, sentinels: list[int], rate: float = 0.15
) -> tuple[list[int], list[int]]:
    """Return input and target of T5's span corruption, mean span 3 (Raffel et al. 2020, 3.1.4).

    Args:
        window: token ids, [N].
        sentinels: ids of <extra_id_0>, <extra_id_1>, ...
    """
    starts = np.sort(
        rng.choice(len(window), size=max(1, round(len(window) * rate / 3)), replace=False)
    )
    source: list[int] = []
    target: list[int] = []
    at = 0
    for sentinel, start in zip(sentinels, starts, strict=False):
        if start < at:
            continue
        stop = min(len(window), start + rng.integers(1, 6))
        source += [*window[at:start].tolist(), sentinel]
        target += [sentinel, *window[start:stop].tolist()]
        at = int(stop)
    return source + window[at:].tolist(), target


def hide_some(
    window: np.ndarray, rng: np.random.Generator, mask: int, rate: float = 0.1
) -> tuple[list[int], list[int]]:
    """Return a window [N] with some tokens masked, and the whole window to write."""
    hidden = rng.random(len(window)) < rate
    return np.where(hidden, mask, window).tolist(), window.tolist()
