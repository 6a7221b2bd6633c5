"""The public names and where they live."""

from .domain import Spectra as Spectra
from .visualizer import SpectrumPlot as SpectrumPlot
