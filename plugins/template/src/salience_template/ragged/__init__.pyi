"""The public names and where they live."""

from .domain import PointSets as PointSets
from .visualizer import PointPlot as PointPlot
