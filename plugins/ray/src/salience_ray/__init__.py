"""Saliency of whole data sets on a Ray cluster, or on all cores of one machine."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
