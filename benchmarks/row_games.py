"""Games that are played with rows of the mini suite's source tasks."""

from collections.abc import Callable, Iterator

from benchmarks.material import FIELDS, Game, Material, Shot
from benchmarks.pretraining_questions import AGREEMENT, ONE_WHO_DOES, OPINION, QUESTIONS
from benchmarks.pretraining_rows import bare
from tasks.mini.lexicon import WOMEN
from tasks.mini.sentiment import BAD, GOOD, PARTS
from tasks.task import Row


def task(material: Material, name: str) -> Game:
    """Play a source task itself, mostly as it will be read."""
    plain = material.rng.random() < 0.25
    source = material.sources[name]
    return Game(
        len(source.labels),
        (
            Shot(bare(row) if plain else source.read(row).input, row["label"])
            for source, row in material.rows(name)
        ),
        [f"{name} {label}" for label in range(len(source.labels))],
    )


def topics(material: Material) -> Game:
    """Play two or three of the trades."""
    kept = material.rng.sample(range(4), material.rng.choice([2, 3]))
    rows = (one for one in material.rows("mini_trade") if one[1]["label"] in kept)
    shots = (Shot(source.read(row).input, kept.index(row["label"])) for source, row in rows)
    return Game(len(kept), shots, [f"mini_trade {label}" for label in kept])


def seen(material: Material, name: str) -> Game:
    """Tell something else that can be seen in a source row."""
    what, see = material.rng.choice(list(SEEN[name].items()))
    rows = material.rows(name)
    shots = (Shot(source.read(row).input, int(see(row))) for source, row in rows)
    return Game(2, shots, (f"not {what}", what))


def told(material: Material) -> Game:
    """Answer one kind of question about a source row with a word of it."""
    name = material.rng.choice(["mini_deed", "mini_meeting", "mini_agreement", "mini_whereabouts"])

    def examples() -> Iterator[Shot]:
        for source, row in material.rows(name):
            question, answer = QUESTIONS[name](row, material.rng)
            if " " not in answer:
                yield Shot(f"{question} {source.read(row).input}", answer)

    return Game(0, examples())


SAID = (
    "the {thing} was {said}", "the {thing} looked {said}", "she found the {thing} {said}",
    "he called the {thing} {said}", "they said the {thing} was {said}", "the {thing} felt {said}",
    "I hold the {thing} {said}", "you will find the {thing} {said}",
)  # fmt: skip
AGREE, DIFFER = ("and", ", and", ", also", "as"), ("but", "yet", ", while", "though", ", but")


def opinions(material: Material) -> Game:
    """Of one or two opinions, in words of the run's own around them, the first counts."""
    rng = material.rng
    field, most, plain = rng.choice(FIELDS), rng.choice([1, 2, 2, 2, 2]), rng.random() < 0.7
    things = PARTS if rng.random() < 0.4 else rng.sample(material.words, 30)
    # Plain frames come again in other runs: to look at the first was not learned without them.
    frames = rng.sample(SAID, most) if plain else [_opinion_frame(material) for _ in range(most)]
    agree, differ = rng.choice(AGREE), rng.choice(DIFFER)
    if not plain:
        agree, differ = rng.sample([",", "and", "but", *material.words], 2)
    # Only where two opinions differ can a reader see that it is not the last.
    differing = rng.choice([0.5, 0.5, 0.8])

    def opinion(at: int, good: bool) -> str:
        negated = rng.random() < 0.2
        word = rng.choice(GOOD if good != negated else BAD)
        degree = "not " if negated else rng.choice(["", "very ", "so "])
        return frames[at].format(thing=rng.choice(things), said=degree + word)

    def examples() -> Iterator[Shot]:
        while True:
            first, differs = rng.random() < 0.5, rng.random() < differing
            pleased = [first, first != differs][:most]
            link = f" {differ if differs else agree} "
            text = link.join(map(opinion, range(most), pleased))
            yield Shot(f"{field} {text} .".strip(), int(first))

    return Game(2, examples(), ("not opinion", "opinion"))


def _opinion_frame(material: Material) -> str:
    before, between = material.some_words(3), material.some_words(2)
    return " ".join([*before, "the {thing}", *between, "{said}"])


def _opinions(row: Row) -> list[tuple[str, str, str]]:
    return OPINION.findall(row["sentence"])


def _pleased(opinion: tuple[str, str, str]) -> bool:
    _, negated, adjective = opinion
    return (adjective in GOOD) != bool(negated)


def _verb(row: Row) -> str:
    found = AGREEMENT.fullmatch(row["sentence"])
    assert found, row["sentence"]
    return found[2]


See = Callable[[Row], bool]
SEEN: dict[str, dict[str, See]] = {
    "mini_review": {
        "opinion": lambda row: _pleased(_opinions(row)[0]),
    },
    "mini_agreement": {
        "are the first many": lambda row: row["sentence"].split()[1].endswith("s"),
        "are the others many": lambda row: row["sentence"].split()[4].endswith("s"),
        "is the verb for one": lambda row: _verb(row) in ONE_WHO_DOES,
    },
    "mini_deed": {
        "is it a woman": lambda row: row["premise"].split()[0] in WOMEN,
        "is it passive": lambda row: " was " in row["hypothesis"],
        "is the doer named": lambda row: row["premise"].split()[0] in row["hypothesis"].split(),
    },
    "mini_meeting": {
        "is it passive": lambda row: " was " in row["sentence1"],
        "is it cleft": lambda row: " who " in row["sentence2"],
    },
    "mini_whereabouts": {
        "is it a woman": lambda row: row["passage"].split()[0] in WOMEN,
        "is the first asked for": lambda row: (
            row["question"].split()[1] == row["passage"].split()[0]
        ),
        "is it the first place": lambda row: (
            row["question"].split()[-2] == row["passage"].split()[4]
        ),
    },
}
"""Of some source tasks: what else can be seen in a row. What has the same name is the same."""
