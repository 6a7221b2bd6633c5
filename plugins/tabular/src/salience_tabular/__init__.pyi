"""The public names and where they live."""

from .domain import Tabular as Tabular
from .pictures.bars import BarPlot as BarPlot
from .pictures.beeswarm import Beeswarm as Beeswarm
from .pictures.heatmap import HeatMap as HeatMap
from .pictures.marks import draw_bars as draw_bars
from .pictures.points import PointPlot as PointPlot
from .pictures.scatter import Scatter as Scatter
from .pictures.waterfall import Waterfall as Waterfall
from .table import Row as Row
from .table import Table as Table
