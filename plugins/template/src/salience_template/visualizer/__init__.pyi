"""The public names and where they live."""

from .visualizer import Stripes as Stripes
