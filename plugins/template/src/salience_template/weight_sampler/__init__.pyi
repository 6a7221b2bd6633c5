"""The public names and where they live."""

from .sampler import DropConnect as DropConnect
