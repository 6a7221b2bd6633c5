"""salience for tables: which columns did the model look at, row by row and on average?

The names in ``__init__.pyi`` are imported on first use, so that listing plugins imports neither
torch, pandas nor matplotlib.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
