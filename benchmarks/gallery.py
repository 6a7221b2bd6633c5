"""One picture of each kind that the plugins draw, for the times of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_iris
from torch import nn

import graphs
import salience
from salience_tabular import Tabular
from salience_template.dense import Spectra
from salience_vision import ImageTransform, Vision

DRAWS = 10
#: Draws a picture, without writing it.
Draw = Callable[[], Any]
#: Rows and columns of a large table.
LARGE = (10_000, 30)


def pictures(quick: bool) -> Iterator[tuple[str, Callable[[], Draw]]]:
    """Name of each picture → what explains, and returns what draws.

    Args:
        quick: Whether tables are small.
    """
    iris, wide = partial(_table, 150, 4), partial(_table, 20, 30)
    large = partial(_table, *((200, 30) if quick else LARGE))
    long = partial(_table, 100 if quick else 2000, 30)
    yield "table: row of 4", lambda: partial(iris().visualize, 0)
    yield "table: row of 30", lambda: partial(wide().visualize, 0)
    yield "table: 30 of 200", lambda: partial(_table(20, 200).visualize, 0)
    yield "table: all of 200", lambda: partial(_table(20, 200).visualize, 0, num_visualize=None)
    yield "table: bars, row of 4", lambda: partial(iris().visualize, 0, visualizer="bar")
    yield "table: bars, row of 30", lambda: partial(wide().visualize, 0, visualizer="bar")
    yield "table: mean, 150 × 4", lambda: iris().visualize
    yield "table: mean of magnitudes, 150 × 4", lambda: _table(150, 4, "abs").visualize
    yield f"table: mean, {100 if quick else 2000} × 30", lambda: long().visualize
    yield "table: grid, 3 × 2", lambda: partial(_grid, iris(), _table(150, 4, "abs"), 3)
    yield "table: grid, 3 × 1", lambda: partial(_grid, iris(), None, 3)
    yield "table: heat map, 150 × 4", lambda: partial(iris().visualize, visualizer="heatmap")
    yield "table: heat map, 20 × 30", lambda: partial(wide().visualize, visualizer="heatmap")
    yield "table: waterfall of 4", lambda: partial(iris().visualize, 0, visualizer="waterfall")
    yield "table: waterfall of 30", lambda: partial(wide().visualize, 0, visualizer="waterfall")
    yield "table: scatter, 150 × 4", lambda: partial(iris().visualize, visualizer="scatter")
    yield "table: beeswarm, 150 × 4", lambda: partial(iris().visualize, visualizer="beeswarm")
    size = "200" if quick else f"{LARGE[0]:,}"
    yield f"table: beeswarm, {size} × 30", lambda: partial(large().visualize, visualizer="beeswarm")
    for aggregator, what in (("raw", "signed"), ("abs", "magnitudes")):
        yield f"photo: {what}", partial(_photo, aggregator, 0)
        yield f"photo: mean, {what}", partial(_photo, aggregator, None)
        yield f"photo: grid, 2 × 1, {what}", partial(_photo_grid, aggregator)
    yield "photo: grid, 2 × 2", lambda: partial(_grid, _photos("raw"), _photos("abs"), 2)
    yield "photo: montage of 2", lambda: partial(_montage, _photos("raw"))
    yield "molecule: one", lambda: partial(_molecules("raw").visualize, 0)
    yield "molecule: grid, 4 × 1", lambda: partial(_grid, _molecules("raw"), None, 4)
    yield "molecule: grid, 4 × 2", lambda: partial(_grid, _molecules("raw"), _molecules("abs"), 4)
    yield "spectrum: one", lambda: partial(_spectra().visualize, 0)
    yield "spectrum: mean", lambda: _spectra().visualize


def _grid(one: Any, other: Any, n_items: int) -> Any:
    columns = {"raw": one} if other is None else {"raw": one, "magnitudes": other}
    return salience.grid(columns, range(n_items))


def _photo(aggregator: str, item: int | None) -> Draw:
    return partial(_photos(aggregator).visualize, item)


def _photo_grid(aggregator: str) -> Draw:
    return partial(_grid, _photos(aggregator), None, 2)


def _montage(one: Any) -> Any:
    return salience.grid({"raw": one}, visualizer="montage")


@cache
def _table(n_rows: int, n_columns: int, aggregator: str = "raw") -> salience.Explanation:
    """Integrated gradients of a table under dropout: iris where it is of four columns."""
    names: Sequence[str] = [f"measurement {i}" for i in range(n_columns)]
    rows = torch.randn(n_rows, n_columns, generator=torch.Generator().manual_seed(0))
    if n_columns == 4:
        iris = load_iris()
        rows = torch.tensor(iris.data[:n_rows], dtype=torch.float32)
        names = [name.removesuffix(" (cm)") for name in iris.feature_names]
    torch.manual_seed(0)
    layers = [nn.Linear(n_columns, 48), nn.ReLU(), nn.Dropout(), nn.Linear(48, 3)]
    return salience.explain(
        nn.Sequential(*layers).eval(),
        rows,
        Tabular(feature_names=list(names)),
        salience.IntegratedGradients(steps=32),
        samplers=["mc_dropout"],
        n_samples=DRAWS,
        aggregator=aggregator,
    )


@cache
def _photos(aggregator: str) -> salience.Explanation:
    """SmoothGrad of the two photos of scikit-learn."""
    spec = find_spec("sklearn")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "datasets" / "images"
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(3, 8, 7, stride=4), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
    )
    return salience.explain(
        net.eval(),
        [folder / "china.jpg", folder / "flower.jpg"],
        Vision(ImageTransform(256, 224)),
        samplers=["gaussian"],
        n_samples=DRAWS,
        aggregator=aggregator,
    )


@cache
def _molecules(aggregator: str) -> salience.Explanation:
    """SmoothGrad of molecules."""
    found = graphs.setup(16)
    explainer = salience.Explainer(
        found.net, graphs.DOMAIN, target="embed", output=salience.Value()
    )
    # The largest of them: the first are methane and the like.
    mols = sorted(found.mols, key=lambda mol: int(mol.GetNumAtoms()))[-4:]
    return explainer.explain(
        mols, samplers=["gaussian"], n_samples=DRAWS, aggregator=aggregator, seed=0
    )


@cache
def _spectra() -> salience.Explanation:
    """SmoothGrad of spectra."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(200, 16), nn.ReLU(), nn.Linear(16, 2)).eval()
    spectra = torch.rand(20, 1, 200, generator=torch.Generator().manual_seed(0))
    return salience.explain(net, spectra, Spectra(), samplers=["gaussian"], n_samples=DRAWS)
