"""Sets of points for salience: a domain of ragged data, and its plot.

The names in ``__init__.pyi`` are imported on first use, so that listing plugins imports neither
torch nor matplotlib.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
