"""The bar chart of the comparison with PEFT."""

from types import SimpleNamespace

import matplotlib.image

from benchmarks.chart import draw


def bar(ratio):
    shape = {"context": 256, "batch": 8, "text": 60}
    return SimpleNamespace(
        case="cpt_train", measure="time", peer="peft", ratio=ratio, q1=ratio, q3=ratio, shape=shape,
        refused=False, target=0.15,
    )  # fmt: skip


def test_a_longer_bar_stands_for_a_larger_ratio(tmp_path):
    blue = []
    for ratio in (0.1, 0.5):
        draw([bar(ratio), bar(1.0)], tmp_path / "chart.png")
        pixels = matplotlib.image.imread(tmp_path / "chart.png")[:, :, :3]
        blue.append(int((abs(pixels - [0.169, 0.424, 0.690]).max(axis=2) < 0.02).sum()))
    assert blue[1] > 1.2 * blue[0] > 0
