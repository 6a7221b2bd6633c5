"""Saliency with error bars for PyTorch: a plugin framework.

The names in ``__init__.pyi`` are imported on first use, so that listing plugins imports neither
torch nor plotting.
"""

import lazy_loader

from salience._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
