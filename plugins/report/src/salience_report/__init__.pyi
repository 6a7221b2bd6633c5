"""The public names and where they live; read by type checkers and by `__init__` alike."""

from .make import make_page as make_page
from .options import Options as Options
from .packing import unpacked as unpacked
