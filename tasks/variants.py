"""Other readings of a task, which its name asks for: `rte-numbers`, `winogrande-attempt`.

`numbers` writes "0", "1", ... where the task writes label words, as the code of the papers does.
`attempt` reads, splits and scores as the public ports of ATTEMPT and DePT do, with number labels,
the order of their columns and their errors, for published numbers that rest on them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from tasks.rows import Template, number
from tasks.task import Example, Metric, Row, Task

PAIR = "sentence1: {sentence1} sentence2: {sentence2}"
NLI = "premise: {premise} hypothesis: {hypothesis}"
# ATTEMPT's attempt/data/tasks.py: the task's name there, then its columns.
ATTEMPT = {
    "cola": "cola sentence: {sentence}",
    "sst2": "sst2 sentence: {sentence}",
    "mrpc": f"mrpc {PAIR}",
    "qqp": "qqp question1: {question1} question2: {question2}",
    "mnli": f"mnli {NLI}",
    "qnli": "qnli question: {question} sentence: {sentence}",
    "rte": f"rte {PAIR}",
    "wnli": f"wnli {PAIR}",
    "boolq": "superglue-boolq question: {question} passage: {passage}",
    "cb": f"superglue-cb {NLI}",
    # Without the column `question`: whether the cause or the effect is asked for.
    "copa": "superglue-copa premise: {premise} choice1: {choice1} choice2: {choice2}",
    "superglue_rte": f"superglue-rte {NLI}",
    "wic": "superglue-wic sentence1: {sentence1} sentence2: {sentence2} word: {word}",
    # The first option twice: the second is never shown.
    "winogrande": "winogrande sentence: {sentence} option0: {option1} option1: {option1}",
    "yelp": "yelp_polarity sentence: {text}",
    "scitail": "scitail premise: {sentence1} hypothesis: {sentence2}",
    "paws": f"paws {PAIR}",
}

RENAMED = {
    "multirc": "superglue-multirc",
    "record": "superglue-record record",
    "wsc": "superglue-wsc.fixed",
}
READ_PAIR = Template(f"stsb {PAIR}", lambda row: "")


def numbers(task: Task) -> Task:
    """Return `task` with the number of each label for its word."""
    digits = tuple(str(at) for at in range(len(task.labels)))
    to_digit = dict(zip(task.labels, digits, strict=True))

    def read(row: Row) -> Example:
        example = task.read(row)
        return example._replace(answers=tuple(to_digit[word] for word in example.answers))

    return replace(
        task,
        name=f"{task.name}-numbers",
        folder=task.folder or task.name,
        read=_digits(task.read, to_digit) if isinstance(task.read, Template) else read,
        labels=digits,
        metrics={name: _of_digits(one, task.labels) for name, one in task.metrics.items()},
        trained_on=tuple(f"{name}-numbers" for name in task.trained_on),
    )


def _digits(read: Template, to_digit: Mapping[str, str]) -> Template:
    return Template(read.form, lambda row: to_digit[read.answer(row)])


def _of_digits(metric: Metric, labels: Sequence[str]) -> Metric:
    to_word = {str(at): word for at, word in enumerate(labels)}

    def score(predictions: Sequence[str], examples: Sequence[Example]) -> float:
        # A word is no answer here: it must not turn right on the way back.
        said = [to_word.get(prediction, "") for prediction in predictions]
        told = [one._replace(answers=tuple(to_word[a] for a in one.answers)) for one in examples]
        return metric(said, told)

    return score


def attempt(task: Task) -> Task:
    """Return `task` as the ports have it; `task.name` is one of `ATTEMPT`, `RENAMED` or stsb."""
    base = task.folder or task.name
    numbered = numbers(task) if task.labels else task
    # Where the ports read as T5 does, the rows are those of `-numbers`; the names are two, so that
    # each has its own runs, scores and champion.
    name = f"{task.name}-attempt"
    made = replace(numbered, name=name, folder=base, trained_on=(), identity=_sha(name))
    if base == "stsb":
        return replace(made, read=_read_similarity)
    if base == "record":
        metrics = {name: _per_answer(one) for name, one in task.metrics.items()}
        return replace(made, read=_renamed(numbered, base), metrics=metrics)
    if base == "multirc":
        made = replace(made, splits=replace(task.splits, cut_groups=True))
    if base in RENAMED:
        return replace(made, read=_renamed(numbered, base))
    return replace(made, read=Template(ATTEMPT[base], lambda row: numbered.read(row).answers[0]))


def _sha(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def _per_answer(metric: Metric) -> Metric:
    """Return a metric that counts a ReCoRD query once for each of its answers."""

    def score(predictions: Sequence[str], examples: Sequence[Example]) -> float:
        pairs = zip(predictions, examples, strict=True)
        again = [(said, one) for said, one in pairs for _ in one.answers]
        return metric([said for said, _ in again], [one._replace(group="") for _, one in again])

    return score


def _renamed(task: Task, base: str) -> Callable[[Row], Example]:
    def read(row: Row) -> Example:
        example = task.read(row)
        bare = example.input.removeprefix(base)
        return example._replace(input=RENAMED[base] + bare, fields=())

    return read


def _read_similarity(row: Row) -> Example:
    # To the nearest of 0.0, 0.1, ..., 5.0, where T5 takes steps of 0.2.
    rounded = round(10 * number(row, "label", 0, 5)) / 10
    return Example(READ_PAIR(row).input, (f"{rounded:.1f}",))


def variants(task: Task) -> dict[str, Callable[[Task], Task]]:
    """Return what makes each variant that `task` has, by the variant's full name."""
    made: dict[str, Callable[[Task], Task]] = {}
    if task.benchmark == "own" or task.name.endswith(("-numbers", "-attempt")):
        return made
    if task.labels:
        made[f"{task.name}-numbers"] = numbers
    if (task.folder or task.name) in {*ATTEMPT, *RENAMED, "stsb"}:
        made[f"{task.name}-attempt"] = attempt
    return made
