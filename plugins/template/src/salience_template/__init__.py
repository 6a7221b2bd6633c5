"""salience for spectra: which wavelengths did the model look at?"""

from salience_template.domain import Spectra
from salience_template.visualizer import SpectrumPlot

__all__ = ["Spectra", "SpectrumPlot"]
