"""The public names and where they live."""

from .domain import MolGraph as MolGraph
from .fragments import fragments as fragments
from .pictures.drawing import Drawing as Drawing
from .plot import MoleculePlot as MoleculePlot
