"""A calculator for salience that pools: gradient × deviation from the mean of the item.

The names in ``__init__.pyi`` are imported on first use, so that listing plugins does not import
torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
