"""In a fresh kernel, without magic, every figure of every plugin shows itself."""

from __future__ import annotations

import json
import sys

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

SETUP = """
import warnings; warnings.simplefilter("ignore")
import numpy as np, torch, salience
from torch import nn
from salience_template.dense import Spectra

torch.manual_seed(0)

class Atoms(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(120, 4), nn.Linear(4, 1)
    def forward(self, atoms, edge_index, owner):
        h = self.embed(atoms)
        h = h.index_add(0, edge_index[1], h[edge_index[0]]).tanh()
        return h.new_zeros(int(owner.max()) + 1, 1).index_add(0, owner, self.out(h))

noise = {"samplers": ["gaussian"], "n_samples": 5}
net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
cnn = nn.Sequential(nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(147, 4))
table = salience.explain(net, torch.randn(4, 3), "tabular", **noise)
path = salience.explain(net, torch.randn(4, 3), "tabular", "integrated_gradients", **noise)
photos = salience.explain(cnn, list(pixels), "vision", **noise, aggregator="abs")
molecules = salience.explain(Atoms(), ["CCO", "c1ccccc1O"], "molgraph", **noise)
spectra = salience.explain(
    lambda x: x.square().sum((1, 2)), torch.randn(3, 2, 30), Spectra(), output="value", **noise
)
"""

FIGURES = [
    "table.visualize(0)",
    "table.visualize()",
    'table.visualize(0, visualizer="bar")',
    'table.visualize(visualizer="beeswarm")',
    'table.visualize(visualizer="scatter")',
    'salience.grid({"one": table, "two": table}, "mean")',
    'path.visualize(0, visualizer="waterfall")',
    'table.visualize(visualizer="heatmap")',
    'table.visualize(0, visualizer="heatmap")',
    'salience.grid({"one": table, "two": table})',
    'salience.grid({"one": table, "two": table}, visualizer="heatmap")',
    "photos.visualize(0)",
    "photos.visualize()",
    'salience.grid({"one": photos, "two": photos})',
    "molecules.visualize(0)",
    'salience.grid({"one": molecules, "two": molecules})',
    "spectra.visualize(0)",
    "spectra.visualize()",
    "from salience_tabular import BarPlot; BarPlot().item(table, 0)",
]
RESULTS = ["table", "photos", "molecules", "spectra"]
# With magic, which shows figures of pyplot of its own accord; it stays in force.
AGAIN = ["%matplotlib inline\ntable.visualize(0)", "molecules.visualize(0); photos.visualize(0)"]
KEPT = 'salience.Explainer(net, "tabular").compute(torch.randn(4, 3), **noise)'


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    """What each line of a notebook shows: for each output, data by its MIME type."""
    kernels = tmp_path_factory.mktemp("kernels")
    (kernels / "fresh").mkdir()
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "fresh", "language": "python"}
    (kernels / "fresh" / "kernel.json").write_text(json.dumps(spec))
    lines = [SETUP, *FIGURES, *RESULTS, KEPT, *AGAIN]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(line) for line in lines])
    found = KernelSpecManager(kernel_dirs=[str(kernels)])
    client = NotebookClient(book, timeout=300, kernel_name="fresh", resources={})
    client.create_kernel_manager()
    client.km.kernel_spec_manager = found
    client.execute()
    for cell in book.cells:
        assert all(output.output_type != "error" for output in cell.outputs), cell.outputs
    return {cell.source: [dict(o.get("data", {})) for o in cell.outputs] for cell in book.cells}


@pytest.mark.parametrize("line", [*FIGURES, *AGAIN])
def test_a_figure_shows_itself_once(line: str, outputs: dict[str, list[dict[str, object]]]) -> None:
    (shown,) = outputs[line]
    assert {"image/png", "image/svg+xml"} & set(shown)


@pytest.mark.parametrize("line", [*RESULTS, KEPT])
def test_a_result_shows_a_table_and_pictures(
    line: str, outputs: dict[str, list[dict[str, object]]]
) -> None:
    (shown,) = outputs[line]
    page = str(shown["text/html"])
    assert "<table" in page and "<script" not in page
    assert ("data:image/" in page) == (line != KEPT)
    assert len(page) <= 100_000
    assert len(str(shown["text/plain"]).splitlines()) <= 6
