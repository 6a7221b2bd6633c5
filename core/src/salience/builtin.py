"""Core's own parts, registered like those of any plugin."""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_domains() -> dict[str, str]:
    """Plain tensors."""
    return {"tensor": "salience.tensors:Tensors"}


@hookimpl
def salience_calculators() -> dict[str, str]:
    """Gradient, path and perturbation methods."""
    return {
        "gradient": "salience.calculators.gradient:Gradient",
        "integrated_gradients": "salience.calculators.integrated_gradients:IntegratedGradients",
        "occlusion": "salience.calculators.occlusion:Occlusion",
    }


@hookimpl
def salience_samplers() -> dict[str, str]:
    """SmoothGrad and its kin, and BayesGrad."""
    return {
        "gaussian": "salience.samplers.gaussian:GaussianNoise",
        "uniform": "salience.samplers.uniform:UniformNoise",
        "mc_dropout": "salience.samplers.mc_dropout:MCDropout",
    }


@hookimpl
def salience_aggregators() -> dict[str, str]:
    """Means over draws."""
    return {
        "raw": "salience.aggregators:Raw",
        "abs": "salience.aggregators:Abs",
        "square": "salience.aggregators:Square",
        "mean_plus_std": "salience.aggregators:MeanPlusStd",
        "variance": "salience.aggregators:Variance",
        "signal_to_noise": "salience.aggregators:SignalToNoise",
    }
