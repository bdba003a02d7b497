"""Each task's text format, pinned on a row written by hand. To change one is to change the task."""

import pytest

import tasks
from tasks.rows import BadCell
from tasks.squad import pad_punctuation
from tasks.task import Task

PAIR = {"sentence1": "A b.", "sentence2": "C d."}
NLI = {"premise": "A b.", "hypothesis": "C d."}
QUERY = {
    "query": "@placeholder won.",
    "entities": ["Ann", "Bob"],
    "idx": {"passage": 3, "query": 7},
}

PINNED = {
    "cola": ({"sentence": "Him went.", "label": 0}, "cola sentence: Him went.", "unacceptable"),
    "sst2": ({"sentence": "fun ", "label": 1}, "sst2 sentence: fun ", "positive"),
    "mrpc": (PAIR | {"label": 1}, "mrpc sentence1: A b. sentence2: C d.", "equivalent"),
    "stsb": (PAIR | {"label": 3.25}, "stsb sentence1: A b. sentence2: C d.", "3.2"),
    "qqp": (
        {"question1": "A?", "question2": "B?", "label": 1},
        "qqp question1: A? question2: B?",
        "duplicate",
    ),
    "mnli": (NLI | {"label": 2}, "mnli hypothesis: C d. premise: A b.", "contradiction"),
    "qnli": (
        {"question": "A?", "sentence": "B.", "label": 0},
        "qnli question: A? sentence: B.",
        "entailment",
    ),
    "rte": (PAIR | {"label": 1}, "rte sentence1: A b. sentence2: C d.", "not_entailment"),
    "wnli": (PAIR | {"label": 1}, "wnli sentence1: A b. sentence2: C d.", "entailment"),
    "boolq": (
        {"question": "is it", "passage": "It is {x}.", "label": 1},
        "boolq passage: It is {x}. question: is it",
        "True",
    ),
    "cb": (NLI | {"label": 1}, "cb hypothesis: C d. premise: A b.", "contradiction"),
    "copa": (
        {"premise": "P.", "choice1": "X.", "choice2": "Y.", "question": "cause", "label": 0},
        "copa choice1: X. choice2: Y. premise: P. question: cause",
        "choice1",
    ),
    "multirc": (
        {
            "paragraph": "<b>Sent 1: </b>One.<br><b>Sent 2: </b>Two.<br>",
            "question": "Which?",
            "answer": "Two",
            "idx": {"paragraph": 4, "question": 52, "answer": 6},
            "label": 1,
        },
        "multirc question: Which? answer: Two paragraph: Sent 1: One. Sent 2: Two. ",
        "True",
    ),
    "record": (
        QUERY
        | {"passage": "It ended\n@highlight\nWho?\n@highlight\nBob", "answers": ["Bob", "Ann"]},
        "record query: @placeholder won. entities: Ann, Bob passage: It ended. Who? Bob",
        "Bob",
    ),
    "superglue_rte": (NLI | {"label": 0}, "rte hypothesis: C d. premise: A b.", "entailment"),
    "wic": (
        PAIR | {"word": "b", "label": 0},
        "wic sentence1: A b. sentence2: C d. word: b",
        "False",
    ),
    "wsc": (
        {
            "text": "This is a test sentence .",
            "span1_text": "test",
            "span1_index": 3,
            "span2_text": "This",
            "span2_index": 0,
            "label": 0,
        },
        "wsc text: # This # is a * test * sentence .",
        "False",
    ),
    "squad": (
        {
            "question": "Where's Spot?",
            "context": "Spot (a dog)\tis in François' U.S. den_2.",
            "answers": {"text": ["U.S.", "den_2", "U.S."], "answer_start": [1, 2, 1]},
        },
        "question: Where ' s Spot ? context: Spot ( a dog ) is in François ' U . S . den_2 .",
        "U . S .",
    ),
}


class Watched(dict):
    """A row that remembers which columns were read."""

    def __init__(self, row):
        super().__init__(row)
        self.read = set()

    def __getitem__(self, column):
        self.read.add(column)
        return super().__getitem__(column)


@pytest.mark.parametrize("name", PINNED)
def test_a_row_reads_exactly_so(name):
    row, text, answer = PINNED[name]
    example = tasks.get(name).read(row)
    assert example.input == text
    assert example.answers[0] == answer


@pytest.mark.parametrize("name", PINNED)
def test_the_columns_a_task_says_it_needs_are_those_it_reads(name):
    row = Watched(PINNED[name][0])
    tasks.get(name).read(row)
    assert row.read == set(tasks.get(name).columns)


def test_each_label_word_is_the_one_that_the_hub_gives_the_number():
    words = {task.name: task.labels for task in tasks.all_tasks()}
    assert words["mnli"] == ("entailment", "neutral", "contradiction")
    assert words["cb"] == ("entailment", "contradiction", "neutral")
    assert words["wnli"] == ("not_entailment", "entailment")
    assert words["rte"] == words["qnli"] == ("entailment", "not_entailment")


@pytest.mark.parametrize("label", [0, 0.1, 2.3, 2.5, 3.799, 5.0])
def test_stsb_scores_are_the_nearest_fifth(label):
    row = PAIR | {"label": label}
    (answer,) = tasks.get("stsb").read(row).answers
    strings = [f"{step / 5:.1f}" for step in range(26)]
    assert answer in strings
    assert abs(float(answer) - label) <= 0.1 + 1e-9


def test_multirc_answers_of_one_question_share_a_group():
    row = PINNED["multirc"][0]
    assert tasks.get("multirc").read(row).group == "52"


def test_record_keeps_every_answer_once():
    row = QUERY | {"passage": "P.", "answers": ["Bob", "Ann", "Bob"]}
    example = tasks.get("record").read(row)
    assert (example.answers, example.group) == (("Bob", "Ann"), "3-7")
    assert tasks.get("record").read(row | {"answers": []}).answers == ("<unk>",)


def test_record_highlights_after_a_full_stop_get_no_second_one():
    passage = 'He said "no."\n@highlight\nShe left!\n@highlight\nEnd'
    example = tasks.get("record").read(QUERY | {"passage": passage, "answers": ["Bob"]})
    assert example.input.endswith('passage: He said "no." She left! End')


def test_wsc_counts_the_noun_marks_as_words_when_the_pronoun_follows():
    row = {
        "text": "I put the cake in the refrigerator . It has leftovers in it.",
        "span1_text": "The refrigerator.",  # original WSC: case and full stop differ from the text
        "span1_index": 5,
        "span2_text": "It",
        "span2_index": 8,
        "label": 1,
    }
    marked = "I put the cake in * the refrigerator * . # It # has leftovers in it."
    assert tasks.get("wsc").read(row).input == f"wsc text: {marked}"
    unfound = tasks.get("wsc").read(row | {"span1_text": "the oven"})
    assert unfound.input.endswith("in the refrigerator . # It # has leftovers in it.")


def test_a_span_of_regular_expression_signs_is_taken_literally():
    row = PINNED["wsc"][0] | {"text": "What? (he) said \\1", "span1_text": "(he)", "span1_index": 1}
    row |= {"span2_text": "What?", "span2_index": 0}
    assert tasks.get("wsc").read(row).input == "wsc text: # What? # * (he) * said \\1"


@pytest.mark.parametrize(
    ("raw", "padded"),
    [("a.b", "a . b"), ("1,000 €", "1 , 000 €"), ("e\u0301t_e", "e\u0301t_e"), (" x ", "x")],
)
def test_punctuation_is_padded_and_letters_stay_whole(raw, padded):
    assert pad_punctuation(raw) == padded


@pytest.mark.parametrize(
    ("name", "broken", "says"),
    [
        ("sst2", {"label": -1}, "column 'label' is -1; it should be a whole number from 0 to 1"),
        ("mnli", {"label": 3}, "from 0 to 2 (0 entailment, 1 neutral, 2 contradiction)"),
        ("rte", {"label": None}, "column 'label' is missing"),
        ("rte", {"label": ""}, "column 'label' is missing"),
        ("rte", {"label": True}, "column 'label' is True"),
        ("rte", {"label": 0.5}, "column 'label' is 0.5"),
        ("rte", {"label": "entailment"}, "column 'label' is 'entailment'"),
        ("rte", {"sentence1": 7}, "column 'sentence1' is 7; it should be text"),
        ("rte", {"sentence2": None}, "column 'sentence2' is missing; it should be text"),
        ("stsb", {"label": float("nan")}, "a number from 0 to 5"),
        ("stsb", {"label": -1.0}, "a number from 0 to 5"),
        ("stsb", {"label": "much"}, "a number from 0 to 5"),
        ("stsb", {"label": True}, "a number from 0 to 5"),
        ("multirc", {"idx": 3}, "column 'idx' is 3"),
        ("multirc", {"idx": {"paragraph": 1}}, "a whole number 'question'"),
        ("record", {"answers": "Bob"}, "in CSV as JSON"),
        ("record", {"answers": [1]}, "a list of texts"),
        ("record", {"entities": [1]}, "a list of texts"),
        ("squad", {"answers": {"text": []}}, "at least one answer"),
        ("squad", {"answers": {}}, "a list of texts"),
        ("wsc", {"span1_index": -1}, "the number of a word"),
    ],
)
def test_a_bad_cell_is_refused_with_what_it_should_be(name, broken, says):
    with pytest.raises(BadCell) as caught:
        tasks.get(name).read(PINNED[name][0] | broken)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_written_as_text_are_cast():
    row = PINNED["mnli"][0] | {"label": " 1 "}
    assert tasks.get("mnli").read(row).answers == ("neutral",)
    assert tasks.get("stsb").read(PAIR | {"label": "4.2"}).answers == ("4.2",)


@pytest.mark.parametrize("name", ["../rte", "", "a/b", "RTE", ".", "a b"])
def test_a_task_name_cannot_be_a_path(name):
    rte = tasks.get("rte")
    with pytest.raises(ValueError, match="cannot be a folder"):
        Task(name, "glue", "", rte.source, rte.read, (), (), rte.metrics, rte.splits)
