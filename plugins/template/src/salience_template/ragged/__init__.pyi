"""The public names and where they live."""

from .domain import Points as Points
from .visualizer import PointPlot as PointPlot
