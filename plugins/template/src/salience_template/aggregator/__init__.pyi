"""The public names and where they live."""

from .aggregator import Largest as Largest
