"""A sampler for salience that draws weights: some of them are dropped.

The names in ``__init__.pyi`` are imported on first use, so that listing plugins does not import
torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
