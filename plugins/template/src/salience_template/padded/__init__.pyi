"""The public names and where they live."""

from .domain import Signals as Signals
from .visualizer import SignalPlot as SignalPlot
