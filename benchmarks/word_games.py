"""Games that are played with words of any kind, and with short texts of the books."""

from collections.abc import Iterator, Sequence

from benchmarks.material import FIELDS, Game, Material, Shot


def drill(material: Material) -> Game:
    """Say again what stood behind a word: the shortest way to learn to look back."""
    rng = material.rng
    classes, size = rng.choice([2, 3, 4, 6]), rng.choice([1, 1, 1, 2])
    words = rng.sample(material.words, classes * size)
    texts = [" ".join(words[at::classes]) for at in range(classes)]
    labels = [rng.randrange(classes) for _ in texts]

    def examples() -> Iterator[Shot]:
        while True:
            at = rng.randrange(classes)
            yield Shot(texts[at], labels[at])

    return Game(classes, examples())


def clusters(material: Material) -> Game:
    """Tell which of some lists of any words a text has most words of."""
    rng = material.rng
    classes, size = rng.choice([2, 2, 3, 4]), rng.choice([1, 1, 2, 2, 3, 4])
    words = rng.sample(material.words, classes * size)
    return _lists(material, [words[at::classes] for at in range(classes)])


def themes(material: Material) -> Game:
    """Tell which of some themes a text has most words of."""
    lists = material.rng.sample(material.themes, material.rng.choice([2, 3, 4, 4, 4]))
    return _lists(material, lists)._replace(subjects=[f"theme {words[0]}" for words in lists])


def _lists(material: Material, lists: Sequence[Sequence[str]]) -> Game:
    rng = material.rng
    field, shown, stray = rng.choice(FIELDS), rng.choice([1, 2, 3, 3, 3]), rng.random() < 0.5
    shown = min(shown, len(lists[0]))
    stray &= shown > 1
    frames = [_frame(material, shown + stray) for _ in range(rng.choice([1, 2, 3]))]
    article = "the " * (rng.random() < 0.5)

    def examples() -> Iterator[Shot]:
        while True:
            label, other = rng.sample(range(len(lists)), 2)
            said = rng.sample(lists[label], shown) + [rng.choice(lists[other])] * stray
            rng.shuffle(said)
            words = iter(said)
            text = " ".join(word or article + next(words) for word in rng.choice(frames))
            yield Shot(f"{field} {text} .".strip(), label)

    return Game(len(lists), examples())


def _frame(material: Material, gaps: int) -> list[str]:
    """Return words around `gaps` empty ones, often none."""
    frame = material.rng.choice(material.snippets).split()[: material.rng.choice([0, 4, 8, 12])]
    for _ in range(gaps):
        frame.insert(material.rng.randint(0, len(frame)), "")
    return frame


def order(material: Material) -> Game:
    """Tell whether neighbours have changed places; the more in a run, the easier."""
    rng = material.rng
    field, near = rng.choice(FIELDS), rng.random() < 0.85
    changes = rng.choice([1, 1, 2, 4, 16])

    def examples() -> Iterator[Shot]:
        while True:
            right = (_plain_text(material) if near else rng.choice(material.snippets)).split()
            words, label = list(right), rng.randrange(2)
            while label and words == right:
                for _ in range(changes):
                    at = rng.randrange(len(words) - 1)
                    words[at : at + 2] = reversed(words[at : at + 2])
            yield Shot(f"{field} {' '.join(words)}".strip(), label)

    return Game(2, examples(), ("in order", "out of order"))


def _plain_text(material: Material) -> str:
    name = material.rng.choice(
        ["mini_deed", "mini_deed", "mini_agreement", "mini_meeting", "mini_trade"]
    )
    row = material.rng.choice(material.pools[name])
    return str(next(iter(row.values())))


def contains(material: Material) -> Game:
    """Tell whether a text has a word, always the same one."""
    rng = material.rng
    word, field = rng.choice(material.words), rng.choice(FIELDS)

    def examples() -> Iterator[Shot]:
        while True:
            words = [one for one in rng.choice(material.snippets).split() if one != word]
            label = rng.randrange(2)
            other = rng.choice([one for one in rng.sample(material.words, 2) if one != word])
            words.insert(rng.randint(0, len(words)), word if label else other)
            yield Shot(f"{field} {' '.join(words)}".strip(), label)

    return Game(2, examples())


PAIRS = (
    ("sentence1:", "sentence2:"),
    ("premise:", "hypothesis:"),
    ("question1:", "question2:"),
    ("passage:", "question:"),
    ("", "|"),
)


def same(material: Material) -> Game:
    """Tell whether two texts are the same, or have a word in common."""
    rng = material.rng
    names = rng.choice(PAIRS)
    size, whole = rng.choice([1, 2, 3, 5]), rng.random() < 0.5

    def examples() -> Iterator[Shot]:
        while True:
            drawn = rng.sample(material.words, 2 * size + 1)
            first, others = drawn[:size], drawn[size : 2 * size]
            second = list(first) if whole else others
            label = rng.randrange(2)
            if whole and not label:
                second[rng.randrange(size)] = drawn[-1]
            if label and not whole:
                second[rng.randrange(size)] = rng.choice(first)
            text = f"{names[0]} {' '.join(first)} {names[1]} {' '.join(second)}"
            yield Shot(text.strip(), label)

    return Game(2, examples(), (f"other {whole}", f"same {whole}"))
