"""What salience-tabular brings; parts are named here and imported on first use."""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_domains() -> dict[str, str]:
    """Rows of a table."""
    return {"tabular": "salience_tabular.domain:Tabular"}


@hookimpl
def salience_visualizers() -> dict[str, str]:
    """Bars for one row or the mean, a heat map for many rows."""
    return {
        "bar": "salience_tabular.bars:BarPlot",
        "heatmap": "salience_tabular.heatmap:HeatMap",
    }
