"""The mini suite: pinned bytes, sources apart from targets, and labels that a slow parser finds."""

import re
from collections import Counter
from dataclasses import replace
from random import Random

import pytest

import tasks
from benchmarks.pretraining_rows import INSTRUCTIONS, ROWS_PER_TASK, pretraining_rows
from tasks import mini
from tasks.mini.generate import SIZES, GrammarEnds, distinct, text_of
from tasks.mini.lexicon import CARRY, MEET, PEOPLE, Words

NAMES = [task.name for task in mini.ALL]
SPLITS = ("train", "validation", "test")
ABSENT = "sense"  # the family that no backbone was pretrained on


def rows(name, split):
    return tasks.get(name).source.rows(split)


def texts(name, split):
    return [text_of(row) for row in rows(name, split)]


def words(name, split):
    return {word for text in texts(name, split) for word in re.findall(r"\w+", text)}


# The suite


def test_there_are_families_with_a_source_and_a_target_each():
    assert len(mini.ALL) >= 10
    families = {}
    for task in mini.ALL:
        families.setdefault(task.family, []).append(task.role)
    assert len(families) >= 5
    assert all(sorted(roles) == ["source", "target"] for roles in families.values())


def test_only_source_tasks_are_pretrained_on_and_one_family_not_at_all():
    shown = {task.name for task in mini.ALL if task.role == "source" and task.family != ABSENT}
    assert INSTRUCTIONS.keys() == shown
    assert ABSENT in {task.family for task in mini.ALL}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_every_instruction_has_a_word_for_every_label(name):
    for _, answers in INSTRUCTIONS[name]:
        assert len(answers) == len(tasks.get(name).labels)


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_no_row_of_the_pretraining_is_in_a_validation_or_test_split(name):
    shown = {text_of(row) for row in pretraining_rows(tasks.get(name), 5_000)}
    assert len(shown) == 5_000
    assert not shown & {*texts(name, "validation"), *texts(name, "test")}


def test_no_text_that_the_pretraining_reads_is_a_sentence_of_a_target_task():
    targets = [task.name for task in mini.ALL if task.role == "target"]
    sentences = {
        str(text)
        for name in targets
        for split in SPLITS
        for row in rows(name, split)
        for column, text in row.items()
        if column not in {"label", "word"}
    }
    for name in INSTRUCTIONS:
        shown = {
            str(text)
            for row in pretraining_rows(tasks.get(name), ROWS_PER_TASK)
            for text in row.values()
        }
        assert not shown & sentences


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_the_pretraining_knows_the_words_of_the_test_split(name):
    shown = pretraining_rows(tasks.get(name), 5_000)
    assert words(name, "test") <= {
        word for row in shown for word in re.findall(r"\w+", text_of(row))
    }


# The rows

PINNED = {
    "mini_review": ("8fa14280a5c17c9a", "c8bca941c51f664b", "9d18049dd9e10be1"),
    "mini_dining": ("f3dac340103bcdf3", "dbda15a5c08c51f4", "df0cee04bb9424d5"),
    "mini_deed": ("b48c4c8a66cd8e36", "b43000cd82f9f3a8", "96f368547985bea5"),
    "mini_count": ("b17654b34b51d601", "45a1c9ebc0254e34", "ff28fde96bc6b991"),
    "mini_meeting": ("e815988eec7486db", "0a23285187ea7584", "49cf98743eac55e8"),
    "mini_question": ("4831a9b991fec8c0", "93276d201ddfacdd", "74b182326e2888b8"),
    "mini_agreement": ("d9e64e9e5f0287f2", "de2cd782022712ec", "e5109fd94784cf45"),
    "mini_order": ("4b53c02460bcee54", "b9276b1e8a6906f9", "2985115ddcc609a6"),
    "mini_whereabouts": ("d94abcd132f1c225", "fc00260d4de47f7e", "9bc36b12f8b6618c"),
    "mini_owner": ("fa60a1c58ef7cb7e", "caee7e8f28b60a7a", "0f8226ef4cf6c9ee"),
    "mini_trade": ("63a533f62b8c5e80", "d1c5ab2bac80fbbb", "024d0416256d7af8"),
    "mini_pursuit": ("37ab2752f57b2b5a", "f4c521906eb755e0", "b70dde3fb01fdd5e"),
    "mini_in_context": ("4a7fbbb83e2ccf05", "139afe21c35593ee", "9afd49e1b49e7359"),
    "mini_told": ("1f70ae2422e59721", "139aaaf7d1fb2c73", "1cd5ddc2daa86d95"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_fixes_every_byte(name):
    data = tasks.load(tasks.get(name))
    digests = tuple(tasks.digest(tasks.get(name), part)[:16] for part in data[:3])
    assert digests == PINNED[name]


@pytest.mark.parametrize("name", ["mini_review", "mini_told"])
def test_another_seed_makes_other_rows(name):
    source = tasks.get(name).source
    assert replace(source, seed=42).rows("test") == rows(name, "test")
    assert replace(source, seed=43).rows("test") != rows(name, "test")


def test_a_task_has_as_many_rows_as_are_wanted_and_the_first_are_the_same():
    source = replace(
        tasks.get("mini_deed").source, sizes={"train": 9_000, "validation": 7, "test": 3}
    )
    assert [len(source.rows(split)) for split in SPLITS] == [9_000, 7, 3]
    assert source.rows("train")[:2_000] == rows("mini_deed", "train")
    every = [text_of(row) for split in SPLITS for row in source.rows(split)]
    assert len(set(every)) == 9_010


@pytest.mark.parametrize("name", NAMES)
def test_no_text_occurs_twice(name):
    everything = [text for split in SPLITS for text in texts(name, split)]
    assert len(everything) == len(set(everything)) == sum(SIZES.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_test_split_has_words_that_no_training_row_has(name):
    known = words(name, "train") | words(name, "validation")
    new = words(name, "test") - known
    held_out = [text for text in texts(name, "test") if new & set(re.findall(r"\w+", text))]
    assert len(held_out) > len(texts(name, "test")) / 3


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", NAMES)
def test_the_labels_are_balanced(name, split):
    counts = Counter(row["label"] for row in rows(name, split))
    fair = SIZES[split] / len(tasks.get(name).labels)
    assert len(counts) == len(tasks.get(name).labels)
    assert all(0.8 * fair < count < 1.2 * fair for count in counts.values())


def test_no_two_tasks_share_a_text():
    seen = Counter(text for name in NAMES for text in set(texts(name, "train")))
    assert seen.most_common(1)[0][1] == 1


def test_a_grammar_that_is_too_small_says_so():
    def tiny(words):
        return {"sentence": str(words.below(3)), "label": 0}

    with pytest.raises(GrammarEnds, match="only 3 distinct rows left for a split of 5"):
        distinct(tiny, Words(Random(0), held_out=False), 5, set())


def test_held_out_words_are_every_fifth():
    known, new = (Words(Random(0), held_out=held_out) for held_out in (False, True))
    listed = [str(at) for at in range(20)]
    seen = {word for _ in range(200) for word in known.pick(listed, 3)}
    assert sorted(set(listed) - seen, key=int) == ["4", "9", "14", "19"]
    assert {word for _ in range(200) for word in new.pick(listed, 3)} == set(listed)


# The labels, found again in the text alone


def whereabouts(passage, question):
    asked, place = re.fullmatch(r"is (\w+) in the (\w+) \?", question).groups()
    at = {}
    for who, where in re.findall(r"(\w+) (?:went to|walked to|ran to) the (\w+) \.", passage):
        at[who] = where
    return at[asked] == place


def owner(passage, question):
    asked, thing = re.fullmatch(r"does (\w+) have the (\w+) now \?", question).groups()
    has = {}
    for sentence in passage.removesuffix(" .").split(" . "):
        if had := re.fullmatch(r"(\w+) had the (\w+)", sentence):
            who, what = had.groups()
        else:
            gave = re.fullmatch(r"(\w+) (?:gave|handed|sold) the (\w+) to (\w+)", sentence)
            giver, what, who = gave.groups()
            assert has[what] == giver != who
        has[what] = who
    return has[thing] == asked


def count(premise, hypothesis):
    fact = r"(\w+) (\w+) were in the (\w+)"
    facts = re.fullmatch(f"{fact} and {fact} \\.", premise).groups()
    facts = {facts[1]: (facts[0], facts[2]), facts[4]: (facts[3], facts[5])}
    if said := re.fullmatch(r"there were (\w+) in the (\w+) \.", hypothesis):
        herd, place = said.groups()
        return 0 if facts[herd][1] == place else 1
    number, herd = re.fullmatch(r"there were (\w+) (\w+) \.", hypothesis).groups()
    return 0 if facts[herd][0] == number else 1


def agreement(sentence):
    subject, _, _, verb = re.fullmatch(
        r"the (\w+) (near|behind|with|beside) the (\w+) (\w+) the \w+ \.", sentence
    ).groups()
    plural = subject not in PEOPLE
    assert not plural or subject.removesuffix("s") in PEOPLE
    return verb in {one.they if plural else one.she for one in MEET}


def event(sentence):
    did, done = ("|".join(getattr(one, part) for one in MEET) for part in ("did", "done"))
    bare = sentence.removesuffix(" .")
    place = re.search(r"in the (\w+)", bare)[1]
    bare = bare.replace(f"in the {place}", "").strip()
    if passive := re.fullmatch(rf"the (\w+) was ({done}) by the (\w+)", bare):
        done_to, verb, doer = passive.groups()
        verb = next(one.did for one in MEET if one.done == verb)
    else:
        active = re.fullmatch(rf"(?:it was )?the (\w+) (?:who )?({did}) the (\w+)", bare)
        doer, verb, done_to = active.groups()
    return doer, verb, done_to, place


def meeting(sentence1, sentence2):
    return event(sentence1) == event(sentence2)


def asked(sentence):
    forms = "|".join(dict.fromkeys(form for one in CARRY for form in (one.done, one.did)))
    for form in (
        rf"where has (?P<giver>\w+) (?P<verb>{forms}) the (?P<thing>\w+) for (?P<taker>\w+) \?",
        rf"in what place was the (?P<thing>\w+) (?P<verb>{forms}) by (?P<giver>\w+) "
        r"for (?P<taker>\w+) \?",
        rf"for (?P<taker>\w+) , where was the (?P<thing>\w+) (?P<verb>{forms}) by "
        r"(?P<giver>\w+) \?",
        rf"do you know where (?P<giver>\w+) (?P<verb>{forms}) the (?P<thing>\w+) "
        r"for (?P<taker>\w+) \?",
    ):
        if found := re.fullmatch(form, sentence):
            return found["giver"], found["thing"], found["taker"]
    raise AssertionError(sentence)


def question(question1, question2):
    return asked(question1) == asked(question2)


ORACLES = {
    "mini_whereabouts": whereabouts,
    "mini_owner": owner,
    "mini_count": count,
    "mini_agreement": agreement,
    "mini_meeting": meeting,
    "mini_question": question,
}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", ORACLES)
def test_a_label_is_what_the_text_says(name, split):
    for row in rows(name, split):
        fields = {column: value for column, value in row.items() if column != "label"}
        assert ORACLES[name](**fields) == row["label"], row


GOOD = {"good", "great", "fine", "lovely", "splendid", "charming", "excellent", "pleasant"}
BAD = {"bad", "poor", "dull", "awful", "boring", "dreadful", "silly", "terrible"}


@pytest.mark.parametrize(("name", "decides"), [("mini_review", -1), ("mini_dining", 0)])
def test_the_clause_that_counts_decides_a_sentiment(name, decides):
    checked = Counter()
    for row in rows(name, "train"):
        clauses = re.split(r" but | and | although |, and ", row["sentence"].removesuffix(" ."))
        *_, before, adjective = clauses[decides].split()
        if adjective in GOOD | BAD:
            pleased = (adjective in GOOD) != (before == "not")
            assert pleased == row["label"], row
            checked[row["label"], before == "not"] += 1
    assert len(checked) == 4
    assert min(checked.values()) > 50


def test_hand_checked_rows():
    assert whereabouts("Ida ran to the barn . Ida went to the hall .", "is Ida in the hall ?")
    assert not owner("Ida had the cup . Ida gave the cup to Jack .", "does Ida have the cup now ?")
    assert (
        count("two cats were in the barn and six dogs were in the hall .", "there were two cats .")
        == 0
    )
    assert (
        count("two cats were in the barn and six dogs were in the hall .", "there were six cats .")
        == 1
    )
    assert not agreement("the doctors near the cook helps the nurse .")
    assert meeting(
        "the cook helped the nurse in the barn .", "in the barn the nurse was helped by the cook ."
    )


def test_a_row_reads_as_its_columns_in_order():
    row = rows("mini_told", "train")[0]
    example = tasks.get("mini_told").read(row)
    assert example.input == (
        f"word: {row['word']} sentence1: {row['sentence1']} sentence2: {row['sentence2']}"
    )
    assert example.answers == (("False", "True")[row["label"]],)


def test_a_word_has_one_sense_in_a_true_row_and_two_in_a_false_one():
    for name, senses in (("mini_in_context", mini.sense.COMMON), ("mini_told", mini.sense.RARER)):
        for row in rows(name, "test"):
            found = [
                sense
                for sentence in (row["sentence1"], row["sentence2"])
                for sense in (0, 1)
                for context in senses[row["word"]][sense]
                if context in sentence
            ]
            assert len(found) == 2, row
            assert (found[0] == found[1]) == row["label"], row
            assert row["word"] in row["sentence1"]
            assert row["word"] in row["sentence2"]
