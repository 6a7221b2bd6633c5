"""What reports draw of a spectrum: a series of intensities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salience import Explanation


def payload_of(explanation: Explanation, item: int) -> Mapping[str, Any] | None:
    """The intensities of a spectrum and its wavelengths; docs/report.md has the form.

    Args:
        explanation: The explanation.
        item: Position of the spectrum, from 0.
    """
    # A report shows the picture of the visualizer where the positions are no wavelengths: of pooled
    # groups, and of units inside the model.
    info = explanation.dataset_info
    shapes = [saliency.flat.shape[1:] for saliency in explanation.saliency.values()]
    if shapes != [(len(info.get("wavelengths", ())),)] or not explanation.annotations:
        return None
    unit = info["unit"]
    return {
        "view": "series",
        "x": info["wavelengths"],
        "lines": explanation.annotations[item]["intensity"],
        "x_label": unit if unit == "position" else f"wavelength ({unit})",
        "y_label": "intensity",
    }
