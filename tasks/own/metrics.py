"""How a user's own task may be scored, by the names that its file can give."""

from collections.abc import Callable, Mapping, Sequence

from tasks import metrics
from tasks.task import Metric

Labels = Sequence[str]
# f1 and mcc are of two labels, of which the second is the positive one, as in GLUE.
METRICS: Mapping[str, Mapping[str, Callable[[Labels], Metric]]] = {
    "classification": {
        "accuracy": lambda labels: metrics.accuracy,
        "macro_f1": metrics.macro_f1,
        "f1": lambda labels: metrics.f1(labels[1], labels[0]),
        "mcc": metrics.matthews,
    },
    "multiple choice": {"accuracy": lambda labels: metrics.accuracy},
    "regression": {
        "pearson": lambda labels: metrics.pearson,
        "spearman": lambda labels: metrics.spearman,
    },
    "free text": {
        "f1": lambda labels: metrics.token_f1,
        "exact_match": lambda labels: metrics.exact_match,
    },
}


def needs_two(kind: str, metric: str) -> bool:
    """Say whether a metric is of two labels only."""
    return kind == "classification" and metric in {"f1", "mcc"}
