"""Yes/no questions on a passage: the last thing that happened counts."""

from tasks.mini.lexicon import NAMES, PLACES, THINGS, Words
from tasks.task import Row


def whereabouts(words: Words) -> Row:
    """People walk about; where is one of them at the end?"""
    label = words.below(2)
    people, places = words.pick(NAMES, 2), words.pick(PLACES, 3)
    at: dict[str, str] = {}
    story = []
    for step in range(3):
        who = people[step] if step < 2 else words.choice(people)
        at[who] = words.choice([place for place in places if place != at.get(who)])
        went = words.choice(["went to", "walked to", "ran to"])
        story.append(f"{who} {went} the {at[who]} .")
    asked = words.choice(people)
    place = at[asked] if label else words.choice([p for p in places if p != at[asked]])
    return {"passage": " ".join(story), "question": f"is {asked} in the {place} ?", "label": label}


def owner(words: Words) -> Row:
    """Things change hands; who has one of them at the end?"""
    label = words.below(2)
    people, things = words.pick(NAMES, 3), words.pick(THINGS, 2)
    has = {thing: words.choice(people) for thing in things}
    story = [f"{who} had the {thing} ." for thing, who in has.items()]
    for thing in words.sample(things, 1 + words.below(2)):
        giver = has[thing]
        has[thing] = words.choice([who for who in people if who != giver])
        gave = words.choice(["gave", "handed", "sold"])
        story.append(f"{giver} {gave} the {thing} to {has[thing]} .")
    thing = words.choice(things)
    who = has[thing] if label else words.choice([p for p in people if p != has[thing]])
    return {
        "passage": " ".join(story),
        "question": f"does {who} have the {thing} now ?",
        "label": label,
    }
