"""The overlay: saliency as a colour map over the photo, for one item or as a grid."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from salience import Explanation, InputError, Visualizer
from salience.errors import brief, nearest
from salience.scalers import Scaler, get_scaler
from salience_vision.captions import caption
from salience_vision.legend import fade
from salience_vision.look import Look, words_for_fading
from salience_vision.maps import Map, read_map
from salience_vision.page import Page

_BACKDROPS = ("auto", "colour", "dark", "light")
_WORDS = {
    "abs_max": "relative saliency",
    "min_max": "relative saliency",
    "normalize": "share of saliency",
}


@dataclass(frozen=True)
class Overlay(Visualizer):
    """Saliency drawn as a colour map over the photo.

    By default opacity grows with the magnitude, so that the photo stays visible where saliency is
    low, and the photo is toned down so that the colours stand out from it. The overlay of uniform
    opacity in chainer-chemistry is ``Overlay(cmap="jet", alpha=0.5, percentile=100)``.

    Where there are several draws, the opacity of a pixel is multiplied by its certainty, so that
    uncertain pixels fade into the photo. Certainty is 1 − p where the aggregator keeps signs, p
    being the p-value of "the saliency is 0", and otherwise 1 − standard error / saliency, at least
    0; see :meth:`salience.Explanation.certainty`. The colour bar then has two dimensions, saliency
    upwards and certainty to the right, and is drawn like the pixels of a map, over a grey photo. A
    single draw never fades, nor does the mean over items, which is drawn without a photo.

    A map that is smaller than the photo (a target variable inside the model) is upsampled
    bilinearly, and so is its certainty.

    Args:
        cmap: A colour map of matplotlib; ``None`` takes ``"inferno"`` where saliency is nowhere
            negative, and ``"coolwarm"``, centred at 0, where it has signs. Both can be read with
            colour-blind eyes.
        alpha: ``"fade"``, or one opacity from 0 to 1 for the whole map.
        scaler: ``"abs_max"``, ``"min_max"``, ``"normalize"``, ``"identity"`` or a function; see
            :mod:`salience.scalers`. Each map is scaled separately.
        percentile: Magnitudes above this percentile are clipped to it, so that a few extreme pixels
            do not dim the rest; the colour bar then ends in arrows. 100 clips nothing.
        colorbar: Whether to draw the colour bar.
        title: Title in place of the item's name; ``""`` for none.
        backdrop: The photo in ``"colour"``, ``"dark"`` (dim, nearly grey) or ``"light"`` (grey).
            ``"auto"`` is ``"colour"`` where ``alpha`` is a number, and otherwise ``"light"`` for
            signed and ``"dark"`` for unsigned saliency.
        variable: Name of the target variable to draw, where several were explained.
        certainty: Whether uncertain pixels fade where there are several draws.

    Raises:
        InputError: A setting is unknown or out of range, or the saliency is no map.
    """

    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)

    cmap: str | None = None
    alpha: float | str = "fade"
    scaler: str | Scaler = "abs_max"
    percentile: float = 99.0
    colorbar: bool = True
    title: str | None = None
    backdrop: str = "auto"
    variable: str | None = None
    certainty: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        get_scaler(self.scaler)
        if self.cmap is not None and self.cmap not in matplotlib.colormaps:
            known = nearest(self.cmap, matplotlib.colormaps)
            raise InputError(f"unknown colour map {brief(self.cmap)}; {known}")
        if self.alpha != "fade" and (isinstance(self.alpha, str) or not 0 <= self.alpha <= 1):
            raise InputError(f'alpha is {brief(self.alpha)}; pass "fade" or a number from 0 to 1')
        if not 0 < self.percentile <= 100:
            raise InputError(f"percentile is {self.percentile}; pass one above 0 and up to 100")
        if self.backdrop not in _BACKDROPS:
            raise InputError(
                f"unknown backdrop {brief(self.backdrop)}; {nearest(self.backdrop, _BACKDROPS)}"
            )

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw the photo under its saliency, titled by name, predicted class and its output."""
        name, predicted = caption(explanation, item)
        title = name if self.title is None else self.title
        subtitle = " · ".join(predicted) if title else ""
        return self._single(self._read(explanation, item), title, subtitle)

    def mean(self, explanation: Explanation) -> Figure:
        """Draw the mean map over all items, without a photo."""
        number = "1 item" if len(explanation) == 1 else f"{len(explanation)} items"
        title = f"mean over {number}" if self.title is None else self.title
        return self._single(self._read(explanation, None), title, "")

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Figure:
        """Draw items (rows) × explanations (columns), with the photos as the first column.

        All maps share one colour bar. Each map is scaled separately, and maps of several draws
        fade.
        """
        first = next(iter(explanations.values()))
        maps = [[self._read(one, item) for one in explanations.values()] for item in items]
        look = self._look([drawn for row in maps for drawn in row])
        photos = [row[0].photo for row in maps]
        front = ("photo",) if all(photo is not None for photo in photos) else ()
        page = Page(
            len(items),
            (*front, *explanations),
            ratio=maps[0][0].ratio,
            labels=tuple(caption(first, item) for item in items),
            title=self.title or "",
            bar=look.norm if self.colorbar else None,
            below=look.below,
        )
        for axes, row, photo in zip(page.axes, maps, photos, strict=True):
            if front and photo is not None:
                axes[0].imshow(photo)
            for cell, drawn in zip(axes[len(front) :], row, strict=True):
                self._draw(cell, drawn, look)
        self._bar(page, look)
        return page.figure

    def _single(self, drawn: Map, title: str, subtitle: str) -> Figure:
        look = self._look([drawn])
        bar = look.norm if self.colorbar else None
        page = Page(1, ratio=drawn.ratio, title=title, subtitle=subtitle, bar=bar, below=look.below)
        self._draw(page.axes[0][0], drawn, look)
        self._bar(page, look)
        return page.figure

    def _read(self, explanation: Explanation, item: int | None) -> Map:
        scaler = get_scaler(self.scaler)
        return read_map(explanation, item, self.variable, scaler, self.percentile, self.certainty)

    def _look(self, maps: Sequence[Map]) -> Look:
        """The look that all maps of a figure share."""
        signed = any(drawn.signed for drawn in maps)
        limit = max(drawn.peak for drawn in maps) or 1.0
        backdrop = self.backdrop
        if backdrop == "auto":
            backdrop = "colour" if self.alpha != "fade" else "light" if signed else "dark"
        norm = Normalize(-limit if signed else 0.0, limit)
        cmap = matplotlib.colormaps[self.cmap or ("coolwarm" if signed else "inferno")]
        ends = ("neither", "max", "both")[any(drawn.clipped for drawn in maps) * (1 + signed)]
        below = words_for_fading(maps) if self.colorbar else ()
        return Look(cmap, norm, self.alpha, backdrop, ends, below)

    def _draw(self, axes: Axes, drawn: Map, look: Look) -> None:
        alpha: Any = None
        if drawn.photo is not None:
            axes.imshow(look.toned(drawn.photo))
            alpha = look.opacity(drawn.values, drawn.certainty)
        axes.imshow(drawn.values, cmap=look.cmap, norm=look.norm, alpha=alpha)

    def _bar(self, page: Page, look: Look) -> None:
        if not self.colorbar:
            return
        words = _WORDS.get(self.scaler, "saliency") if isinstance(self.scaler, str) else "saliency"
        alpha = None if isinstance(self.alpha, str) else self.alpha
        colours = ScalarMappable(look.norm, look.cmap)
        bar = page.bar(colours, words, extend=look.ends, alpha=alpha)
        if look.below:
            fade(bar, look)
