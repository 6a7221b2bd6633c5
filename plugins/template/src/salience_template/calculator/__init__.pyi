"""The public names and where they live."""

from .calculator import Deviation as Deviation
