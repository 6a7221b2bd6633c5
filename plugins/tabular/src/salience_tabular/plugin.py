"""Hooks of salience-tabular, which name its parts; a part is imported on first use."""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_domains() -> dict[str, str]:
    """Name → import path of the domain of tables."""
    return {"tabular": "salience_tabular.domain:Tabular"}


@hookimpl
def salience_visualizers() -> dict[str, str]:
    """Name → import path of each visualizer: bars for one row or the mean, a heat map for rows."""
    return {
        "points": "salience_tabular.pictures.points:PointPlot",
        "bar": "salience_tabular.pictures.bars:BarPlot",
        "heatmap": "salience_tabular.pictures.heatmap:HeatMap",
        "waterfall": "salience_tabular.pictures.waterfall:Waterfall",
        "beeswarm": "salience_tabular.pictures.beeswarm:Beeswarm",
        "scatter": "salience_tabular.pictures.scatter:Scatter",
    }
