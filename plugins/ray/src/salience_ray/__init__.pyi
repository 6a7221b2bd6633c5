"""The public names and where they live; read by type checkers and by `__init__` alike."""

from .executor import RayExecutor as RayExecutor
