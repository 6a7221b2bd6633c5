"""The public names and where they live."""

from .sampler import LaplaceNoise as LaplaceNoise
