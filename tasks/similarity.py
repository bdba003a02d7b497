"""How alike the rows of tasks are, by the words in them."""

from collections.abc import Mapping, Sequence

from tasks.task import Example

ROWS = 500  # of each task: enough for its words, and a second for a hundred tasks


def similarities(
    rows: Sequence[Example], others: Mapping[str, Sequence[Example]]
) -> dict[str, float]:
    """Return how alike `rows` are to those of each other task, from 0 to 1.

    It is the cosine of two mean TF-IDF vectors of words and pairs of words, of inputs and answers
    as the model reads them. What all tasks say counts for little.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    if not others:
        return {}
    texts = [_text(rows), *(_text(one) for one in others.values())]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    vectors = normalize(vectorizer.fit_transform(texts))
    cosines = (vectors[1:] @ vectors[0].T).toarray().ravel()
    return {name: float(one) for name, one in zip(others, cosines, strict=True)}


def _text(rows: Sequence[Example]) -> str:
    return "\n".join(f"{one.input} {' '.join(one.answers)}" for one in rows[:ROWS])
