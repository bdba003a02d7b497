"""Other readings of a task, which its name asks for: `rte-numbers`, `winogrande-attempt`.

`numbers` writes "0", "1", ... where the task writes label words, as the code of the papers does.
`attempt` reads and writes what the public ports of ATTEMPT and DePT do, with number labels, the
order of their columns and their errors, for published numbers that rest on them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tasks.rows import number, reader
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

RENAMED = {"multirc": "superglue-multirc", "wsc": "superglue-wsc.fixed"}
READ_PAIR = reader(f"stsb {PAIR}", lambda row: "")


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
        read=read,
        labels=digits,
        metrics={name: _of_digits(one, task.labels) for name, one in task.metrics.items()},
        trained_on=tuple(f"{name}-numbers" for name in task.trained_on),
    )


def _of_digits(metric: Metric, labels: Sequence[str]) -> Metric:
    to_word = {str(at): word for at, word in enumerate(labels)}

    def score(predictions: Sequence[str], examples: Sequence[Example]) -> float:
        # A word is no answer here: it must not turn right on the way back.
        said = [to_word.get(prediction, "") for prediction in predictions]
        told = [one._replace(answers=tuple(to_word[a] for a in one.answers)) for one in examples]
        return metric(said, told)

    return score


def attempt(task: Task) -> Task:
    """Return `task` as the ports read it; `task.name` is one of `ATTEMPT`, `RENAMED` or stsb."""
    base, numbered = task.folder or task.name, numbers(task)
    made = replace(numbered, name=f"{task.name}-attempt", trained_on=())
    if base == "stsb":
        return replace(made, read=_read_similarity, metrics=task.metrics)
    if base in RENAMED:
        return replace(made, read=_renamed(numbered, base))
    return replace(made, read=reader(ATTEMPT[base], lambda row: numbered.read(row).answers[0]))


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
