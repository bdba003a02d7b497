"""Whatever a spec file holds, what is wrong is told in one of our errors, and in one line."""

import string

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines.plan import TransferSpec
from pipelines.spec_file import BadSpec

FUZZ = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
STEPS = {"steps": 2, "batch_size": 4, "validations": 1}
GOOD = {
    "name": "fuzz", "seeds": [0], "prompt_length": 4, "sources": ["rte", "mrpc"],
    "targets": ["cola"], "teach": STEPS, "learn": STEPS, "adapt": STEPS,
}  # fmt: skip
KEYS = [*GOOD, "backbone", "few_shot"]
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
WORDS = st.text(alphabet=string.printable + "\0\x1bé\ud800", max_size=40)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=8,
)


def load(path):
    """Return the spec, or None where it is refused in a line that a terminal can show."""
    try:
        return TransferSpec.load(path)
    except BadSpec as error:
        said = str(error).encode("utf-8", "backslashreplace")
        assert len(said) < 20_000
        return None


@FUZZ
@given(st.text(max_size=200))
@example("a: 2021-99-99")
@example("a: 0b_")
@example("a: ._")
@example("[" * 2000)
@example(LAUGHS)
@example("? [a]\n: b")
@example("!!python/object/apply:os.system ['true']")
def test_random_text_as_a_spec(tmp_path, text):
    (tmp_path / "spec.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert load(tmp_path / "spec.yaml") is None


@FUZZ
@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "backbone", "few_shot"]), VALUES, min_size=1, max_size=2
    )
)
def test_random_values_in_a_spec(tmp_path, values):
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(GOOD | values), encoding="utf-8")
    found = load(tmp_path / "spec.yaml")
    assert found is None or found.teach_specs(0)
