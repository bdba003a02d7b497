"""Number labels, and the readings of the public ports, by name."""

import json

import pytest
from sklearn import metrics as sklearn

import tasks
from tasks.task import Example

PAIR = {"sentence1": "A b.", "sentence2": "C d."}
NLI = {"premise": "A b.", "hypothesis": "C d."}


def test_numbers_stand_for_the_label_words_in_their_order_and_the_input_stays():
    words, numbers = tasks.get("cb"), tasks.get("cb-numbers")
    assert (numbers.name, numbers.labels) == ("cb-numbers", ("0", "1", "2"))
    for label in range(3):
        read = numbers.read(NLI | {"label": label})
        assert read == words.read(NLI | {"label": label})._replace(answers=(str(label),))


@pytest.mark.parametrize(
    "task", [one for one in tasks.all_tasks() if one.labels], ids=lambda t: t.name
)
def test_every_task_with_labels_has_number_labels_that_score_alike(task):
    numbers = tasks.get(f"{task.name}-numbers")
    digit = {word: str(at) for at, word in enumerate(task.labels)}
    truth = [*task.labels * 3, task.labels[0]]
    guess = [*task.labels[::-1] * 3, "no label"]
    groups = [str(at // 2) for at in range(len(truth))]
    told = [Example("", (word,), group) for word, group in zip(truth, groups, strict=True)]
    as_digits = [one._replace(answers=(digit[one.answers[0]],)) for one in told]
    assert numbers.metrics.keys() == task.metrics.keys()
    for name, metric in task.metrics.items():
        said = [digit.get(word, word) for word in guess]
        assert numbers.metrics[name](said, as_digits) == metric(guess, told)


def test_a_label_word_is_no_answer_to_a_task_with_numbers():
    mrpc = tasks.get("mrpc-numbers")
    truth = [Example("", (answer,)) for answer in ("1", "0", "1", "1")]
    assert mrpc.metrics["accuracy"](["equivalent", "0", "1", "2"], truth) == 50
    assert mrpc.metrics["f1"](["equivalent", "0", "1", "0"], truth) == pytest.approx(
        100 * sklearn.f1_score([1, 0, 1, 1], [0, 0, 1, 0])
    )


def test_a_variant_reads_the_rows_of_its_task_and_is_other_data(tmp_path):
    folder = tmp_path / "rte"
    folder.mkdir()
    rows = "".join(json.dumps(PAIR | {"label": n % 2}) + "\n" for n in range(8))
    for split in ("train", "validation"):
        (folder / f"{split}.jsonl").write_text(rows)
    words, numbers, ported = (
        tasks.load(tasks.get(name), tmp_path) for name in ("rte", "rte-numbers", "rte-attempt")
    )
    assert [one.input for one in numbers.test] == [one.input for one in words.test]
    assert {one.answers for one in numbers.train} == {("0",), ("1",)}
    digests = {
        tasks.digest(tasks.get("rte"), words.test),
        tasks.digest(tasks.get("rte-numbers"), numbers.test),
    }
    assert len(digests) == 2
    assert ported == numbers  # the ports read RTE as T5 does
    identities = {tasks.get(f"rte{one}").identity for one in ("", "-numbers", "-attempt")}
    assert len(identities) == 2  # and yet each is a task with runs of its own


PORTED = {
    "mnli": (NLI | {"label": 2}, "mnli premise: A b. hypothesis: C d.", "2"),
    "mnli_mm": (NLI | {"label": 2}, "mnli premise: A b. hypothesis: C d.", "2"),
    "cb": (NLI | {"label": 1}, "superglue-cb premise: A b. hypothesis: C d.", "1"),
    "superglue_rte": (NLI | {"label": 0}, "superglue-rte premise: A b. hypothesis: C d.", "0"),
    "boolq": (
        {"question": "is it", "passage": "It is.", "label": 1},
        "superglue-boolq question: is it passage: It is.",
        "1",
    ),
    "copa": (
        {"premise": "P.", "choice1": "X.", "choice2": "Y.", "question": "cause", "label": 0},
        "superglue-copa premise: P. choice1: X. choice2: Y.",
        "0",
    ),
    "wic": (
        PAIR | {"word": "b", "label": 0},
        "superglue-wic sentence1: A b. sentence2: C d. word: b",
        "0",
    ),
    "wsc": (
        {"text": "Ann said she won .", "span1_text": "Ann", "span1_index": 0}
        | {"span2_text": "she", "span2_index": 2, "label": 1},
        "superglue-wsc.fixed text: * Ann * said # she # won .",
        "1",
    ),
    "multirc": (
        {"paragraph": "P.", "question": "Q?", "answer": "A", "idx": {"question": 4}, "label": 1},
        "superglue-multirc question: Q? answer: A paragraph: P.",
        "1",
    ),
    "yelp": ({"text": "Good.", "label": 1}, "yelp_polarity sentence: Good.", "1"),
    "scitail": (
        PAIR | {"gold_label": "neutral"},
        "scitail premise: A b. hypothesis: C d.",
        "1",
    ),
    "paws": (PAIR | {"label": 1}, "paws sentence1: A b. sentence2: C d.", "1"),
}


@pytest.mark.parametrize("name", PORTED)
def test_the_ports_have_their_own_prefix_and_order_of_columns(name):
    row, text, answer = PORTED[name]
    example = tasks.get(f"{name}-attempt").read(row)
    assert (example.input, example.answers) == (text, (answer,))


def test_the_second_option_is_shown_but_not_in_the_ports():
    row = {"sentence": "The _ fell.", "option1": "cup", "option2": "man", "answer": "2"}
    assert tasks.get("winogrande").read(row).input.endswith("option1: cup option2: man")
    ported = tasks.get("winogrande-attempt").read(row)
    assert ported.input == "winogrande sentence: The _ fell. option0: cup option1: cup"
    assert ported.answers == ("1",)


def test_similarity_has_26_strings_but_51_in_the_ports():
    labels = [step / 1000 for step in range(5001)]
    ours, ports = (
        {tasks.get(name).read(PAIR | {"label": x}).answers[0] for x in labels}
        for name in ("stsb", "stsb-attempt")
    )
    assert ours == {f"{step / 5:.1f}" for step in range(26)}
    assert ports == {f"{step / 10:.1f}" for step in range(51)}


RECORD = {
    "query": "@placeholder won.", "entities": ["Ann", "Bob"], "passage": "P.",
    "answers": ["Ann", "Bob"], "idx": {"passage": 3, "query": 7},
}  # fmt: skip


def test_a_record_query_counts_once_in_t5_and_once_for_each_answer_in_the_ports():
    ours, ports = tasks.get("record"), tasks.get("record-attempt")
    read = ports.read(RECORD)
    assert read.input == f"superglue-record {ours.read(RECORD).input}"
    assert read.input.startswith("superglue-record record query: @placeholder won.")
    assert read.answers == ("Ann", "Bob")
    other = ports.read(RECORD | {"answers": ["Eve"], "idx": {"passage": 3, "query": 8}})
    for name in ("f1", "exact_match"):
        assert ours.metrics[name](["Bob", "Zoe"], [read, other]) == 50
        # Two copies of the query that has two answers, as the ports evaluate it.
        assert ports.metrics[name](["Bob", "Zoe"], [read, other]) == pytest.approx(200 / 3)


def test_multirc_exact_match_of_the_ports_is_of_what_a_cut_left_of_a_question(tmp_path):
    folder = tmp_path / "multirc"
    folder.mkdir()
    row = {"paragraph": "P.", "question": "Q?"}
    rows = "".join(
        json.dumps(row | {"answer": f"A {n}", "idx": {"question": n // 4}, "label": n % 2}) + "\n"
        for n in range(12)
    )
    for split in ("train", "validation"):
        (folder / f"{split}.jsonl").write_text(rows)
    ours, ports = (tasks.load(tasks.get(name), tmp_path) for name in ("multirc", "multirc-attempt"))
    apart = [{one.group for one in data.validation} & {one.group for one in data.test}
             for data in (ours, ports)]  # fmt: skip
    assert not apart[0]
    assert apart[1]
    assert [len(part) for part in ports[1:3]] == [6, 6]


def test_the_words_of_a_row_are_told_from_the_format_in_a_variant_too():
    for name in ("mnli-numbers", "mnli-attempt", "copa-attempt"):
        row = NLI | {"choice1": "x", "choice2": "y", "question": "cause", "label": 1}
        read = tasks.get(name).read(row)
        assert "A b." in [read.input[a:b] for a, b in read.fields]


@pytest.mark.parametrize(
    "name",
    ["squad-numbers", "stsb-numbers", "squad-attempt", "ax-attempt", "record-numbers",
     "mini_review-attempt", "rte-numbers-numbers", "rte-", "nothing-numbers", "rte-Numbers"],
)  # fmt: skip
def test_a_variant_that_is_not_there_is_an_unknown_task(name):
    with pytest.raises(tasks.UnknownTask, match=f"no task is named {name!r}"):
        tasks.get(name)


def test_a_diagnostic_set_with_numbers_is_answered_by_a_prompt_with_numbers():
    assert tasks.get("ax_b-numbers").trained_on == ("superglue_rte-numbers", "rte-numbers")


def test_a_name_that_would_be_taken_for_a_variant_is_no_task():
    for task in tasks.all_tasks():
        assert not task.name.endswith(("-numbers", "-attempt"))


def test_where_the_ports_read_as_t5_does_only_the_name_differs():
    same = {
        name
        for name in ("cola", "sst2", "mrpc", "qqp", "qnli", "rte", "wnli", "paws", "mnli", "yelp")
        if tasks.get(f"{name}-attempt").read.form == tasks.get(f"{name}-numbers").read.form
    }
    assert same == {"cola", "sst2", "mrpc", "qqp", "qnli", "rte", "wnli", "paws"}
