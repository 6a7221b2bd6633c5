"""The public names and where they live."""

from .bars import BarPlot as BarPlot
from .bars import draw_bars as draw_bars
from .domain import Tabular as Tabular
from .heatmap import HeatMap as HeatMap
from .table import Row as Row
from .table import Table as Table
