"""Reports of salience: one HTML page to send on, which works offline and asks for nothing.

`explanation.report("report.html")` and `salience.report({title: explanation}, "report.html")` call
:func:`make_page`. The names in ``__init__.pyi`` are imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
