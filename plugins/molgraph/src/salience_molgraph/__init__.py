"""Molecules for salience: graph networks explained atom by atom."""

from salience_molgraph.domain import MolGraph
from salience_molgraph.drawing import Drawing
from salience_molgraph.plot import MoleculePlot

__all__ = ["Drawing", "MolGraph", "MoleculePlot"]
