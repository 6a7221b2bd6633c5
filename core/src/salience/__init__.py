"""Saliency with error bars for PyTorch: a plugin framework.

Names are imported on first use, so that listing plugins imports neither torch nor plotting.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from salience import scalers as scalers
    from salience.aggregators import Abs as Abs
    from salience.aggregators import Aggregator as Aggregator
    from salience.aggregators import Raw as Raw
    from salience.aggregators import Square as Square
    from salience.batch import Batch as Batch
    from salience.calculators.base import Attribution as Attribution
    from salience.calculators.base import Calculator as Calculator
    from salience.calculators.baselines import Mean as Mean
    from salience.calculators.baselines import PerItem as PerItem
    from salience.calculators.gradient import Gradient as Gradient
    from salience.calculators.integrated_gradients import (
        IntegratedGradients as IntegratedGradients,
    )
    from salience.calculators.occlusion import Occlusion as Occlusion
    from salience.domain import Domain as Domain
    from salience.errors import InputError as InputError
    from salience.explainer import Explainer as Explainer
    from salience.explainer import explain as explain
    from salience.explainer import rerun as rerun
    from salience.explanation import Explanation as Explanation
    from salience.explanation import Saliency as Saliency
    from salience.explanation import grid as grid
    from salience.hookspecs import hookimpl as hookimpl
    from salience.layout import Field as Field
    from salience.layout import Layout as Layout
    from salience.outputs import ClassScore as ClassScore
    from salience.outputs import CrossEntropy as CrossEntropy
    from salience.outputs import Output as Output
    from salience.outputs import Predicted as Predicted
    from salience.outputs import Tap as Tap
    from salience.outputs import Value as Value
    from salience.samplers.base import ModelDraw as ModelDraw
    from salience.samplers.base import NoiseSampler as NoiseSampler
    from salience.samplers.base import ParameterSampler as ParameterSampler
    from salience.samplers.base import VariableDraw as VariableDraw
    from salience.samplers.gaussian import GaussianNoise as GaussianNoise
    from salience.samplers.mc_dropout import MCDropout as MCDropout
    from salience.samples import Samples as Samples
    from salience.score import Score as Score
    from salience.targets import Target as Target
    from salience.tensors import Tensors as Tensors
    from salience.visualizer import Visualizer as Visualizer

_HOMES = {
    "aggregators": ("Abs", "Aggregator", "Raw", "Square"),
    "batch": ("Batch",),
    "calculators.base": ("Attribution", "Calculator"),
    "calculators.baselines": ("Mean", "PerItem"),
    "calculators.gradient": ("Gradient",),
    "calculators.integrated_gradients": ("IntegratedGradients",),
    "calculators.occlusion": ("Occlusion",),
    "domain": ("Domain",),
    "errors": ("InputError",),
    "explainer": ("Explainer", "explain", "rerun"),
    "explanation": ("Explanation", "Saliency", "grid"),
    "hookspecs": ("hookimpl",),
    "layout": ("Field", "Layout"),
    "outputs": ("ClassScore", "CrossEntropy", "Output", "Predicted", "Tap", "Value"),
    "samplers.base": ("ModelDraw", "NoiseSampler", "ParameterSampler", "VariableDraw"),
    "samplers.gaussian": ("GaussianNoise",),
    "samplers.mc_dropout": ("MCDropout",),
    "samples": ("Samples",),
    "score": ("Score",),
    "targets": ("Target",),
    "tensors": ("Tensors",),
    "visualizer": ("Visualizer",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [*sorted(_HOME), "scalers"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "scalers":
        return importlib.import_module("salience.scalers")
    if name not in _HOME:
        raise AttributeError(f"module 'salience' has no attribute {name!r}")
    return getattr(importlib.import_module(f"salience.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
