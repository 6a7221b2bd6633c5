"""Saliency with error bars for PyTorch: a plugin framework.

The nouns:

- An **item** is one thing to explain: a row of a table, a photo, a molecule.
- A **target variable** receives the saliency: a model input, or a variable inside the model.
- An **output variable** is the scalar of each item that is explained: a logit, a loss, a value.
- A **domain** reads data of one kind, declares how the model's arguments are indexed, and names a
  visualizer. Each plugin brings one.
- A **calculator** makes saliency from a score function and a point: `Gradient`,
  `IntegratedGradients`, `Occlusion`.
- A **sampler** makes draws: a noise sampler moves the target variable (SmoothGrad), a parameter
  sampler moves the model (BayesGrad).
- A **draw** is one saliency of every item.
- An **aggregator** makes one saliency of all the draws, with its standard error: `Raw`, `Abs`.
- A **visualizer** renders the saliency of an item, or the mean over the data set.

`Explainer(model, domain).explain(data)` puts them together and returns an `Explanation`.

The names in ``__init__.pyi`` are imported on first use, so that listing plugins imports neither
torch nor plotting.
"""

import lazy_loader

from salience._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
