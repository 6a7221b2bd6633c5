"""Colours of pictures: read by everyone, and one meaning each."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import colormaps

from salience import InputError, colors


@pytest.mark.parametrize("name", ["INK", "MUTED", "POSITIVE_TEXT", "NEGATIVE_TEXT"])
def test_text_is_read_on_the_ground(name: str) -> None:
    assert colors.contrast(getattr(colors, name)) >= 4.5


@pytest.mark.parametrize("name", ["LINE", "POSITIVE", "NEGATIVE", "PLAIN", "UNCERTAIN"])
def test_marks_stand_out_from_the_ground(name: str) -> None:
    assert colors.contrast(getattr(colors, name)) >= 3


def test_contrast_is_that_of_the_guidelines() -> None:
    assert colors.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert colors.contrast("#ffffff", "#ffffff") == 1
    assert colors.contrast("#777777") == pytest.approx(4.48, abs=0.005)  # as the guidelines say


@pytest.mark.parametrize("name", colors.DIVERGING)
def test_diverging_maps_have_white_in_the_middle(name: str) -> None:
    stops = colors.diverging(name)
    assert len(stops) % 2 and stops[len(stops) // 2] == colors.GROUND
    drawn = colors.colormap(name)
    np.testing.assert_allclose(drawn(0.0)[:3], colors.rgb(stops[0]), atol=0.01)
    np.testing.assert_allclose(drawn(1.0)[:3], colors.rgb(stops[-1]), atol=0.01)


def test_signs_have_the_ends_of_the_signed_map() -> None:
    stops = colors.diverging()
    assert (stops[0], stops[-1]) == (colors.NEGATIVE, colors.POSITIVE)


def test_maps_of_matplotlib_are_found_by_name_and_kept_as_objects() -> None:
    assert colors.colormap("viridis") == colormaps["viridis"]
    assert colors.colormap("jet").name == "jet"
    own = colormaps["viridis"].reversed()
    assert colors.colormap(own) is own


@pytest.mark.parametrize("wrong", ["viridiss", 3, None, ["jet"]], ids=str)
def test_unknown_maps_and_colors_are_refused(wrong: object) -> None:
    for ask in (colors.colormap, colors.diverging, colors.rgb):
        with pytest.raises(InputError):
            ask(wrong)  # type: ignore[arg-type]
