"""An aggregator for salience: the draw of largest magnitude.

The names in ``__init__.pyi`` are imported on first use, so that listing plugins does not import
torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
