"""Word sense: does a word mean the same twice? No row of this family is pretrained on."""

from tasks.mini.lexicon import NAMES, PEOPLE, Words
from tasks.task import Row

Senses = dict[str, tuple[tuple[str, ...], tuple[str, ...]]]

# word -> contexts of its first sense, contexts of its second
COMMON: Senses = {
    "bank": (
        ("rowed to the bank of the river", "sat on the grassy bank", "fished from the muddy bank"),
        ("put money in the bank", "asked the bank for a loan", "robbed the bank of its gold"),
    ),
    "ring": (
        ("wore a gold ring", "lost a wedding ring", "slipped a ring on her finger"),
        ("heard the bell ring", "let the telephone ring", "made the bells ring"),
    ),
    "bat": (
        ("saw a bat fly in the cave", "heard a bat at night", "feared the bat with its wings"),
        ("hit the ball with a bat", "swung the wooden bat", "held the bat for the game"),
    ),
    "spring": (
        ("planted seeds in spring", "waited for spring after winter", "saw flowers in spring"),
        ("drank from the cool spring", "found a spring of water", "washed at the spring"),
    ),
    "match": (
        ("lit a match in the dark", "struck a match to smoke", "burned it with a match"),
        ("won the match by two goals", "watched the match of tennis", "lost the match at chess"),
    ),
    "trunk": (
        ("cut the trunk of the oak", "leaned on the trunk of a tree", "climbed the thick trunk"),
        ("packed clothes in a trunk", "locked the old trunk", "carried the trunk upstairs"),
    ),
    "pen": (
        ("wrote with a pen", "dipped the pen in ink", "signed it with his pen"),
        ("kept pigs in the pen", "drove the sheep to the pen", "shut the goats in the pen"),
    ),
    "bark": (
        ("heard the dog bark", "feared the bark of a hound", "woke at a loud bark"),
        ("peeled bark from the tree", "carved names in the bark", "burned dry bark and wood"),
    ),
}
RARER: Senses = {
    "light": (
        ("lifted the light parcel", "wore a light coat", "carried a light load"),
        ("turned on the light", "saw the light of a lamp", "read by the light"),
    ),
    "letter": (
        ("posted a letter to a friend", "read the letter by post", "sealed the letter"),
        (
            "spelled it letter by letter",
            "learned each letter of the alphabet",
            "wrote the letter A",
        ),
    ),
    "palm": (
        ("held it in the palm", "read the lines of the palm", "showed an empty palm"),
        ("rested under a palm", "climbed the palm for dates", "saw a palm by the beach"),
    ),
    "nail": (
        ("hit the nail with a hammer", "drove a nail into wood", "bent the iron nail"),
        ("bit a nail of the thumb", "cut each nail with scissors", "broke a nail on her finger"),
    ),
    "seal": (
        ("broke the wax seal", "put a seal on the paper", "pressed the seal of the king"),
        ("saw a seal on the ice", "fed the seal with fish", "heard the seal in the sea"),
    ),
    "well": (
        ("drew water from the well", "dug a deep well", "let the bucket down the well"),
        ("sang very well", "slept well last night", "knew the song well"),
    ),
}  # fmt: skip


def _pair(words: Words, senses: Senses, same: bool) -> tuple[str, str, str]:
    word = words.choice(list(senses))
    first = words.below(2)
    second = first if same else 1 - first
    one = words.choice(senses[word][first])
    other = words.choice([text for text in senses[word][second] if text != one])
    return word, one, other


def in_context(words: Words) -> Row:
    """One word in two sentences."""
    label = words.below(2)
    word, one, other = _pair(words, COMMON, same=label > 0)
    who, whom = words.pick(NAMES, 2)
    return {
        "word": word, "sentence1": f"{who} {one} .", "sentence2": f"{whom} {other} .",
        "label": label,
    }  # fmt: skip


def told(words: Words) -> Row:
    """One word in one sentence of two speakers; other words than `in_context`."""
    label = words.below(2)
    word, one, other = _pair(words, RARER, same=label > 0)
    a, b = words.pick(PEOPLE, 2)
    return {
        "word": word,
        "sentence1": f"once the {a} {one} , they say .",
        "sentence2": f"it was the {b} who {other} .",
        "label": label,
    }
