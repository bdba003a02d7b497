"""The words of the mini suite, and which of them only the test split may use."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Verb(NamedTuple):
    """A transitive verb: `they` carry, `she` carries, she `did` carry: carried, was `done`."""

    they: str
    she: str
    did: str
    done: str


def _verbs(text: str) -> tuple[Verb, ...]:
    return tuple(Verb(*line.split()) for line in text.strip().splitlines())


WOMEN = tuple(
    "Anna Clara Edith Grace Helen Ida Jane Laura Martha Nora Alice Emma Flora Julia Kate "
    "Lucy Mary Ruth Sarah Rose".split()
)
MEN = tuple(
    "Arthur Charles Daniel Edward Frank George Henry Jack Martin Peter Robert Samuel Thomas "
    "Walter William David James John Paul Simon".split()
)
NAMES = tuple(name for pair in zip(WOMEN, MEN, strict=True) for name in pair)
PEOPLE = tuple(
    "doctor farmer sailor teacher soldier baker servant lawyer painter hunter merchant captain "
    "priest cook nurse judge gardener clerk singer miller shepherd tailor porter student".split()
)
THINGS = tuple(
    "book lamp letter basket hammer mirror bottle ring sword candle chair blanket cup knife map "
    "key purse rope clock box shawl coin drum ladder".split()
)
PLACES = tuple(
    "garden kitchen barn forest church market library harbour cellar meadow stable tower "
    "village office attic courtyard cave hall".split()
)
COLOURS = tuple("red green black white blue yellow brown grey golden silver".split())
ANIMALS = tuple(
    "dog horse cow goat hen duck sheep cat pig donkey rabbit fox wolf bear lion crow".split()
)
NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve")

CARRY = _verbs("""
    carry carries carried carried
    find finds found found
    hide hides hid hidden
    break breaks broke broken
    steal steals stole stolen
    wash washes washed washed
    buy buys bought bought
    sell sells sold sold
    lose loses lost lost
    paint paints painted painted
    bring brings brought brought
    drop drops dropped dropped
    burn burns burned burned
    clean cleans cleaned cleaned
    mend mends mended mended
""")
MEET = _verbs("""
    help helps helped helped
    follow follows followed followed
    praise praises praised praised
    warn warns warned warned
    visit visits visited visited
    thank thanks thanked thanked
    trust trusts trusted trusted
    blame blames blamed blamed
    teach teaches taught taught
    save saves saved saved
    call calls called called
    watch watches watched watched
    greet greets greeted greeted
    obey obeys obeyed obeyed
    forgive forgives forgave forgiven
""")

HELD_OUT_EVERY = 5


class Words:
    """Draws for one split; only the test split may draw the held-out fifth of each word list.

    Every draw rests on `Random.random` alone: Python promises its sequence for a seed, and does
    not promise that of `choice` or `shuffle`.
    """

    def __init__(self, rng: Random, held_out: bool) -> None:
        self._random = rng.random
        self._held_out = held_out

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""
        return int(self._random() * limit)

    def coin(self, probability: float = 0.5) -> bool:
        """Return true with `probability`."""
        return self._random() < probability

    def choice(self, options: Sequence[T]) -> T:
        """Return any of `options`."""
        return options[self.below(len(options))]

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """Return `count` different ones of `options`, in random order."""
        return sorted(options, key=lambda _: self._random())[:count]

    def pick(self, words: Sequence[T], count: int = 1) -> list[T]:
        """Return `count` different words; in the test split about half are held-out ones."""
        known = [word for at, word in enumerate(words) if at % HELD_OUT_EVERY != HELD_OUT_EVERY - 1]
        if not self._held_out:
            return self.sample(known, count)
        new = list(words[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY])
        wanted = min(sum(self.coin() for _ in range(count)), len(new))
        return self.sample(self.sample(new, wanted) + self.sample(known, count - wanted), count)

    def one(self, words: Sequence[T]) -> T:
        """Return one word."""
        return self.pick(words)[0]
