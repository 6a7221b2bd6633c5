"""The built-in plugin: core's own parts, registered like those of any other plugin."""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_domains() -> dict[str, str]:
    """Name the domain of plain tensors."""
    return {"tensor": "salience.data.tensors:Tensors"}


@hookimpl
def salience_calculators() -> dict[str, str]:
    """Name the gradient, path and perturbation methods."""
    return {
        "gradient": "salience.calculators.gradient:Gradient",
        "integrated_gradients": "salience.calculators.integrated_gradients:IntegratedGradients",
        "occlusion": "salience.calculators.occlusion:Occlusion",
    }


@hookimpl
def salience_samplers() -> dict[str, str]:
    """Name the noise samplers (SmoothGrad) and the parameter samplers (BayesGrad)."""
    return {
        "gaussian": "salience.samplers.gaussian:GaussianNoise",
        "uniform": "salience.samplers.uniform:UniformNoise",
        "mc_dropout": "salience.samplers.mc_dropout:MCDropout",
        "ensemble": "salience.samplers.ensemble:Ensemble",
        "swag": "salience.samplers.swag:SWAG",
        "weight_noise": "salience.samplers.weight_noise:WeightNoise",
        "posterior": "salience.samplers.posterior:Posterior",
    }


@hookimpl
def salience_aggregators() -> dict[str, str]:
    """Name the aggregators: means, spreads and quantiles over draws."""
    return {
        "raw": "salience.aggregators.means:Raw",
        "abs": "salience.aggregators.means:Abs",
        "square": "salience.aggregators.means:Square",
        "sign": "salience.aggregators.means:Sign",
        "mean_plus_std": "salience.aggregators.spread:MeanPlusStd",
        "variance": "salience.aggregators.spread:Variance",
        "signal_to_noise": "salience.aggregators.spread:SignalToNoise",
        "quantile": "salience.aggregators.quantile:Quantile",
        "top_share": "salience.aggregators.top_share:TopShare",
    }


@hookimpl
def salience_executors() -> dict[str, str]:
    """Name the executors of this machine: one thread, several, or processes."""
    return {
        "serial": "salience.engine.executors.local:Serial",
        "threads": "salience.engine.executors.local:Threads",
        "pool": "salience.engine.executors.pool:Pool",
    }
