"""salience for tables: which columns did the model look at, row by row and on average?"""

from salience_tabular.bars import BarPlot, draw_bars
from salience_tabular.domain import Tabular
from salience_tabular.heatmap import HeatMap
from salience_tabular.table import Row, Table

__all__ = ["BarPlot", "HeatMap", "Row", "Table", "Tabular", "draw_bars"]
