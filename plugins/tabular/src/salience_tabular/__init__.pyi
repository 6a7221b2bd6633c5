"""The public names and where they live."""

from .domain import Tabular as Tabular
from .pictures.bars import BarPlot as BarPlot
from .pictures.bars import draw_bars as draw_bars
from .pictures.heatmap import HeatMap as HeatMap
from .table import Row as Row
from .table import Table as Table
