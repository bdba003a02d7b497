"""Rows written by hand, in the hub's columns, and what each task makes of them, in full.

Each of the first eighteen tasks has a third row in `test_rendering`.
"""

import pytest

import tasks
from tasks.unlabelled import ask, columns
from tasks.variants import variants

PAIR = {"sentence1": "A b.", "sentence2": "C d."}
NLI = {"premise": "A b.", "hypothesis": "C d."}
QUERY = {
    "query": "@placeholder won.",
    "entities": ["Ann", "Bob"],
    "idx": {"passage": 3, "query": 7},
}
SAME = {"sentence1": "He ran: 5 km!", "sentence2": "He ran."}
ODD = {"sentence1": "“Été” {0}", "sentence2": "  two  blanks "}
STORM = {"premise": "A storm came.", "hypothesis": "It rained\nmuch."}
ODD_NLI = {"premise": "{premise}", "hypothesis": "%s é"}
DOC = {"paragraph": "P <b>q</b>.", "question": "Who <b>is</b> he?", "answer": "Bob<br>Ann"}
SPANS = {"text": "Ann told Eve that she won .", "span1_text": "Ann", "span1_index": 0}

ROWS = {
    "cola": [
        ({"sentence": "They sang.", "label": 1}, "cola sentence: They sang.", "acceptable"),
        ({"sentence": "{x} 'd “go”", "label": 0}, "cola sentence: {x} 'd “go”", "unacceptable"),
    ],
    "sst2": [
        ({"sentence": "dull , dull ", "label": 0}, "sst2 sentence: dull , dull ", "negative"),
        ({"sentence": "50 % joy", "label": "1"}, "sst2 sentence: 50 % joy", "positive"),
    ],
    "mrpc": [
        (SAME | {"label": 0}, "mrpc sentence1: He ran: 5 km! sentence2: He ran.", "not_equivalent"),
        (ODD | {"label": 1}, "mrpc sentence1: “Été” {0} sentence2:   two  blanks ", "equivalent"),
    ],
    "stsb": [
        (SAME | {"label": 0.0}, "stsb sentence1: He ran: 5 km! sentence2: He ran.", "0.0"),
        (ODD | {"label": "4.917"}, "stsb sentence1: “Été” {0} sentence2:   two  blanks ", "5.0"),
    ],
    "qqp": [
        (
            {"question1": "How high?", "question2": "How tall is it?", "label": 0},
            "qqp question1: How high? question2: How tall is it?",
            "not_duplicate",
        ),
        (
            {"question1": "", "question2": "Why {not}?", "label": 1},
            "qqp question1:  question2: Why {not}?",
            "duplicate",
        ),
    ],
    "mnli": [
        (
            STORM | {"label": 0},
            "mnli hypothesis: It rained\nmuch. premise: A storm came.",
            "entailment",
        ),
        (ODD_NLI | {"label": 1}, "mnli hypothesis: %s é premise: {premise}", "neutral"),
    ],
    "qnli": [
        (
            {"question": "When?", "sentence": "In 1066, they say.", "label": 1},
            "qnli question: When? sentence: In 1066, they say.",
            "not_entailment",
        ),
        (
            {"question": "¿Qué?", "sentence": "{sentence}", "label": 0},
            "qnli question: ¿Qué? sentence: {sentence}",
            "entailment",
        ),
    ],
    "rte": [
        (SAME | {"label": 0}, "rte sentence1: He ran: 5 km! sentence2: He ran.", "entailment"),
        (
            ODD | {"label": 1},
            "rte sentence1: “Été” {0} sentence2:   two  blanks ",
            "not_entailment",
        ),
    ],
    "wnli": [
        (SAME | {"label": 0}, "wnli sentence1: He ran: 5 km! sentence2: He ran.", "not_entailment"),
        (ODD | {"label": 1}, "wnli sentence1: “Été” {0} sentence2:   two  blanks ", "entailment"),
    ],
    "boolq": [
        (
            {"question": "can it fly", "passage": "It has no wings.", "label": 0},
            "boolq passage: It has no wings. question: can it fly",
            "False",
        ),
        (
            {"question": "is é", "passage": "A\nB", "label": 1},
            "boolq passage: A\nB question: is é",
            "True",
        ),
    ],
    "cb": [
        (
            STORM | {"label": 0},
            "cb hypothesis: It rained\nmuch. premise: A storm came.",
            "entailment",
        ),
        (ODD_NLI | {"label": 2}, "cb hypothesis: %s é premise: {premise}", "neutral"),
    ],
    "copa": [
        (
            {"premise": "He fell.", "choice1": "Ice.", "choice2": "Sun.", "question": "effect"}
            | {"label": 1},
            "copa choice1: Ice. choice2: Sun. premise: He fell. question: effect",
            "choice2",
        ),
        (
            {"premise": "{p}", "choice1": "é", "choice2": "", "question": "cause", "label": 0},
            "copa choice1: é choice2:  premise: {p} question: cause",
            "choice1",
        ),
    ],
    "multirc": [
        (
            DOC | {"idx": {"question": 1}, "label": 0},
            "multirc question: Who is he? answer: Bob Ann paragraph: P q.",
            "False",
        ),
        (
            DOC | {"answer": "1 < 2", "idx": '{"question": 3}', "label": 1},
            "multirc question: Who is he? answer: 1 < 2 paragraph: P q.",
            "True",
        ),
    ],
    "record": [
        (
            QUERY | {"passage": "One!\n@highlight\nTwo", "answers": ["Ann"]},
            "record query: @placeholder won. entities: Ann, Bob passage: One! Two",
            "Ann",
        ),
        (
            QUERY | {"passage": "One", "entities": [], "answers": []},
            "record query: @placeholder won. entities:  passage: One",
            "<unk>",
        ),
    ],
    "superglue_rte": [
        (
            STORM | {"label": 1},
            "rte hypothesis: It rained\nmuch. premise: A storm came.",
            "not_entailment",
        ),
        (ODD_NLI | {"label": 0}, "rte hypothesis: %s é premise: {premise}", "entailment"),
    ],
    "wic": [
        (
            SAME | {"word": "run", "label": 1},
            "wic sentence1: He ran: 5 km! sentence2: He ran. word: run",
            "True",
        ),
        (
            ODD | {"word": "été", "label": 0},
            "wic sentence1: “Été” {0} sentence2:   two  blanks  word: été",
            "False",
        ),
    ],
    "wsc": [
        (
            SPANS | {"span2_text": "she", "span2_index": 4, "label": 1},
            "wsc text: * Ann * told Eve that # she # won .",
            "True",
        ),
        (
            SPANS | {"span1_text": "Eve", "span1_index": 2, "span2_text": "she", "span2_index": 4}
            | {"label": 0},
            "wsc text: Ann told * Eve * that # she # won .",
            "False",
        ),
    ],
    "squad": [
        (
            {"question": "Who?", "context": "Ann.", "answers": {"text": ["Ann"]}},
            "question: Who ? context: Ann .",
            "Ann",
        ),
        (
            {"question": "How much?", "context": "$5.50", "answers": '{"text": ["$5.50", "5"]}'},
            "question: How much ? context: $ 5 . 50",
            "$ 5 . 50",
        ),
    ],
}  # fmt: skip

NEW_NLI = [
    (NLI | {"label": 0}, "hypothesis: C d. premise: A b."),
    (STORM | {"label": 1}, "hypothesis: It rained\nmuch. premise: A storm came."),
    (ODD_NLI | {"label": 0}, "hypothesis: %s é premise: {premise}"),
]
NEW_PAIRS = [
    (PAIR | {"label": 0}, "sentence1: A b. sentence2: C d."),
    (SAME | {"label": 1}, "sentence1: He ran: 5 km! sentence2: He ran."),
    (ODD | {"label": 0}, "sentence1: “Été” {0} sentence2:   two  blanks "),
]
MRQA = [
    (
        {"question": "Who won?", "context": "Ann (4-1).", "answers": ["Ann", "Ann"]},
        "question: Who won ? context: Ann ( 4 - 1 ) .",
        "Ann",
    ),
    (
        {"question": "where", "context": "[DOC] In St. Ives", "answers": ["St. Ives", "Ives"]},
        "question: where context: [ DOC ] In St . Ives",
        "St . Ives",
    ),
    (
        {"question": "Été?", "context": "l'été", "answers": '["l\'été"]'},
        "question: Été ? context: l ' été",
        "l ' été",
    ),
]


def pairs(prefix, rows, words):
    return [(row, f"{prefix} {text}", words[row["label"]]) for row, text in rows]


ENTAILED = ("entailment", "not_entailment")
ROWS |= {
    "mnli_mm": pairs("mnli", NEW_NLI, ("entailment", "neutral")),
    "ax": pairs("mnli", NEW_NLI, ("entailment", "neutral")),
    "ax_b": pairs("rte", NEW_PAIRS, ENTAILED),
    "ax_g": [
        (row | {"idx": 7}, text, answer) for row, text, answer in pairs("rte", NEW_NLI, ENTAILED)
    ],
    "paws": pairs("paws", NEW_PAIRS, ("not_equivalent", "equivalent")),
    **dict.fromkeys(("naturalquestions", "hotpotqa", "searchqa", "newsqa"), tuple(MRQA)),
    "winogrande": [
        (
            {"sentence": "The _ fell.", "option1": "cup", "option2": "man", "answer": answer},
            "winogrande sentence: The _ fell. option1: cup option2: man",
            word,
        )
        for answer, word in (("1", "option1"), ("2", "option2"), (2, "option2"))
    ],
    "yelp": [
        ({"text": "Good.", "label": 1}, "yelp sentence: Good.", "positive"),
        ({"text": "a\\nb {c}", "label": 0}, "yelp sentence: a\\nb {c}", "negative"),
        ({"text": "très bon", "label": 1}, "yelp sentence: très bon", "positive"),
    ],
    "scitail": [
        (
            {"sentence1": premise, "sentence2": "Water boils.", "gold_label": label},
            f"scitail hypothesis: Water boils. premise: {premise}",
            label,
        )
        for premise, label in (("At 100 °C.", "entailment"), ("{x}", "neutral"), ("", "neutral"))
    ],
    "e2e": [
        (
            {"meaning_representation": meaning, "human_reference": said},
            f"e2e meaning: {meaning}",
            said,
        )
        for meaning, said in (
            ("name[The Mill], food[French]", "The Mill is French."),
            ("name[{Zizzi}]", "Zizzi is."),
            ("name[Café], price[£20]", "Café, £20."),
        )
    ],
    "webnlg": [
        (
            {"input": ["Ann | bornIn | Rome"], "target": "A.", "references": []},
            "webnlg triples: Ann | bornIn | Rome",
            "A.",
        ),
        (
            {"input": ["A | b | C", "D | e | F"], "target": "X", "references": ["Y", "X"]},
            "webnlg triples: A | b | C && D | e | F",
            "X",
        ),
        (
            {"input": '["É | f | {g}"]', "target": "É.", "references": "[]"},
            "webnlg triples: É | f | {g}",
            "É.",
        ),
    ],
    "ag_news": [
        ({"text": "Oil rises", "label": 2}, "ag_news text: Oil rises", "business"),
        ({"text": "1-0 {win}", "label": 1}, "ag_news text: 1-0 {win}", "sports"),
        ({"text": "A\\B", "label": 3}, "ag_news text: A\\B", "science"),
    ],
    "dbpedia": [
        (
            {"title": "Acme", "content": " It sells.", "label": 0},
            "dbpedia title: Acme content:  It sells.",
            "company",
        ),
        (
            {"title": "{Oak}", "content": "A tree.", "label": 10},
            "dbpedia title: {Oak} content: A tree.",
            "plant",
        ),
        (
            {"title": "É", "content": "A novel.", "label": 13},
            "dbpedia title: É content: A novel.",
            "book",
        ),
    ],
    "trec": [
        ({"text": "Who ?", "label_coarse_original": "HUM"}, "trec question: Who ?", "human"),
        ({"text": "{Why}", "label_coarse_original": "DESC"}, "trec question: {Why}", "description"),
        ({"text": "Où ?", "label_coarse_original": "LOC"}, "trec question: Où ?", "location"),
    ],
    "set_classification": [
        ({"words": "ba be bi", "label": 0}, "words: ba be bi", "first"),
        ({"words": "{x} y", "label": 3}, "words: {x} y", "fourth"),
        ({"words": "é", "label": 1}, "words: é", "second"),
    ],
}
EVERY = [(name, row) for name, rows in ROWS.items() for row in rows]


def test_every_published_task_has_three_rows():
    published = {task.name for task in tasks.all_tasks() if task.benchmark != "mini"}
    assert ROWS.keys() == published
    assert sorted(map(len, ROWS.values())) == [2] * 18 + [3] * (len(ROWS) - 18)


@pytest.mark.parametrize(("name", "pinned"), EVERY, ids=[name for name, _ in EVERY])
def test_a_row_reads_exactly_so(name, pinned):
    row, text, answer = pinned
    example = tasks.get(name).read(row)
    assert example.input == text
    assert example.answers[0] == answer


@pytest.mark.parametrize(("name", "pinned"), EVERY, ids=[name for name, _ in EVERY])
def test_a_row_without_its_answer_reads_the_same(name, pinned):
    row, text, _ = pinned
    task = tasks.get(name)
    asked = {column: row[column] for column in columns(task)}
    assert "label" not in asked
    assert "answers" not in asked
    assert ask(task, asked) == text
    assert ask(task, row | {"label": -1, "unknown": None}) == text


def test_a_variant_reads_a_row_without_its_answer_as_it_reads_one_with_it():
    for name, rows in ROWS.items():
        row = rows[0][0]
        for variant, make in variants(tasks.get(name)).items():
            task = make(tasks.get(name))
            asked = {column: row[column] for column in columns(task)}
            assert ask(task, asked) == task.read(row).input, variant


def test_the_gender_pairs_of_ax_g_are_rows_2n_and_2n_plus_1():
    read = tasks.get("ax_g").read
    assert [read(NLI | {"idx": n, "label": 0}).group for n in range(4)] == ["0", "0", "1", "1"]


def test_all_that_was_said_of_one_meaning_is_scored_together():
    e2e = tasks.get("e2e").read({"meaning_representation": "name[A]", "human_reference": "A."})
    assert (e2e.answers, e2e.group) == (("A.",), "name[A]")
    webnlg = tasks.get("webnlg").read(ROWS["webnlg"][1][0])
    assert (webnlg.answers, webnlg.group) == (("X", "Y"), "")


def test_each_new_label_word_is_the_one_that_the_hub_gives_the_number():
    assert tasks.get("ag_news").labels == ("world", "sports", "business", "science")
    assert tasks.get("dbpedia").labels[::3] == (
        "company", "athlete", "building", "animal", "film"
    )  # fmt: skip
    assert tasks.get("yelp").labels == ("negative", "positive")
