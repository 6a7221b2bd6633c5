"""Molecules for salience: a domain and a plot to explain graph networks atom by atom.

The names in ``__init__.pyi`` are imported on first use, so that listing plugins imports neither
torch nor RDKit.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
