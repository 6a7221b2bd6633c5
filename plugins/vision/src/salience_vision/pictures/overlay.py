"""The overlay: saliency as a colour map over the photo, for one item or as a grid."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from salience import Explanation, InputError, Visualizer, colors
from salience.errors import brief, nearest
from salience.scalers import Scaler, get_scaler
from salience_vision.pictures.captions import caption, credits_of
from salience_vision.pictures.hatching import share_steps, share_words
from salience_vision.pictures.look import PLAIN, Look, draw_map, notes_below
from salience_vision.pictures.maps import Map, read_map
from salience_vision.pictures.page import Page
from salience_vision.pictures.smoothing import Smoothing

_BACKDROPS = ("auto", "colour", "grey", "dark", "light")
_SHARE = "share of draws among the top"
_WORDS = {
    "abs_max": "saliency{each},\n{top} = 1",
    "min_max": "saliency{each},\nmin = 0, max = 1",
    "normalize": "share of saliency",
}


@dataclass(frozen=True)
class Overlay(Visualizer):
    """Saliency drawn as a colour map over the photo.

    By default opacity grows with the magnitude, so that the photo stays visible where saliency is
    low, and the photo is toned down so that the colours stand out from it. The overlay of uniform
    opacity in chainer-chemistry is ``Overlay(cmap="jet", alpha=0.5, percentile=100)``.

    Where there are several draws and the aggregator keeps signs, places whose sign is uncertain are
    hatched: the 95 % interval of :meth:`salience.Explanation.interval` holds 0 there, so that the
    unadjusted p-value is at least .05. Magnitudes have no sign to test and are not hatched; ask
    how stable they are with the aggregator ``top_share``. Its shares are drawn as contours at 50
    and 95 % of the draws over the grey photo, beside their map.

    A map that is smaller than the photo (a target variable inside the model) is upsampled
    bilinearly, which the picture says; sums of blocks keep their edges.

    Args:
        cmap: A colour map or its name; ``None`` takes ``"inferno"`` where saliency is nowhere
            negative, and blue and vermilion, centred at 0, where it has signs. Both can be read
            with colour-blind eyes.
        alpha: ``"fade"``, or one opacity from 0 to 1 for the whole map.
        scaler: ``"abs_max"``, ``"min_max"``, ``"normalize"``, ``"identity"`` or a function; see
            :mod:`salience.scalers`. Each map is scaled separately.
        percentile: Magnitudes above this percentile are clipped to it, so that a few extreme pixels
            do not dim the rest; the colour bar then ends in arrows. 100 clips nothing.
        colorbar: Whether to draw the colour bar.
        title: Title in place of the item's name; ``""`` for none.
        backdrop: The photo in ``"colour"``, ``"grey"``, ``"dark"`` (dim, nearly grey) or
            ``"light"`` (light grey). ``"auto"`` is ``"colour"`` where ``alpha`` is a number, and
            otherwise ``"light"`` for signed, ``"dark"`` for unsigned saliency and ``"grey"`` for
            shares.
        variable: Name of the target variable to draw, where several were explained.
        hatch: Whether places whose sign is uncertain are hatched, where there are several draws.
        smooth: ``"gaussian:3"`` smooths maps by a Gaussian with a standard deviation of 3 places,
            ``"blocks:8"`` sums them over blocks of 8 × 8 places; the picture says so. No place is
            hatched then, since the error of a smoothed map is not that of its places:
            ``explain(..., pool=salience.Blocks(8))`` has the errors of sums of blocks.

    Raises:
        InputError: A setting is unknown or out of range, or the saliency is no map.
    """

    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)

    cmap: str | Colormap | None = None
    alpha: float | str = "fade"
    scaler: str | Scaler = "abs_max"
    percentile: float = 99.0
    colorbar: bool = True
    title: str | None = None
    backdrop: str = "auto"
    variable: str | None = None
    hatch: bool = True
    smooth: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        get_scaler(self.scaler)
        Smoothing.of(self.smooth)
        if self.cmap is not None:
            colors.colormap(self.cmap)  # raises InputError for an unknown map
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
        subtitle = ", ".join(predicted) if title else ""
        credit = credits_of(explanation, [item])
        return self._single(self._read(explanation, item), title, subtitle, credit)

    def mean(self, explanation: Explanation) -> Figure:
        """Draw the mean map over all items, without a photo."""
        number = "1 item" if len(explanation) == 1 else f"{len(explanation)} items"
        title = f"mean over {number}" if self.title is None else self.title
        return self._single(self._read(explanation, None), title, "")

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Figure:
        """Draw items (rows) × explanations (columns), with the photos as the first column.

        All maps share one colour bar, and each map is scaled separately. Shares of draws are drawn
        as contours over the grey photo.
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
            credit=credits_of(first, items),
        )
        for axes, row, photo in zip(page.axes, maps, photos, strict=True):
            if front and photo is not None:
                axes[0].imshow(photo)
            for cell, drawn in zip(axes[len(front) :], row, strict=True):
                draw_map(cell, drawn, look)
        self._bar(page, look, steps=look.is_share and bool(front))
        return page.figure

    def _single(self, drawn: Map, title: str, subtitle: str, credit: str = "") -> Figure:
        look = self._look([drawn])
        bar = look.norm if self.colorbar else None
        contours = drawn.is_share and drawn.photo is not None
        heads = (share_words(drawn.values), "share of draws") if contours else ()
        page = Page(
            1,
            heads,
            ratio=drawn.ratio,
            title=title,
            subtitle=subtitle,
            bar=bar,
            below=look.below,
            side=3.4 if contours else 0.0,
            credit=credit,
        )
        if contours:
            draw_map(page.axes[0][0], drawn, look)
            page.axes[0][1].imshow(drawn.values, cmap=look.cmap, norm=look.norm)
        else:
            draw_map(page.axes[0][0], drawn, look)
        self._bar(page, look)
        return page.figure

    def _read(self, explanation: Explanation, item: int | None) -> Map:
        scaler = get_scaler(self.scaler)
        return read_map(
            explanation,
            item,
            self.variable,
            scaler,
            self.percentile,
            hatches=self.hatch,
            smoothing=Smoothing.of(self.smooth),
        )

    def _look(self, maps: Sequence[Map]) -> Look:
        """The look that all maps of a figure share."""
        signed = any(drawn.signed for drawn in maps)
        limit = max(drawn.peak for drawn in maps) or 1.0
        backdrop = self.backdrop
        shares = all(drawn.is_share for drawn in maps)
        if backdrop == "auto":
            plain = "grey" if shares else "light" if signed else "dark"
            backdrop = plain if self.alpha == "fade" else "colour"
        norm = Normalize(-limit if signed else 0.0, limit)
        cmap = colors.colormap(self.cmap or (colors.SIGNED if signed else PLAIN))
        ends = ("neither", "max", "both")[any(drawn.clipped for drawn in maps) * (1 + signed)]
        below = notes_below(maps) if self.colorbar else ()
        return Look(cmap, norm, self.alpha, backdrop, ends, below, is_share=shares)

    def _bar(self, page: Page, look: Look, *, steps: bool = False) -> None:
        if not self.colorbar:
            return
        if steps:
            cmap, norm = share_steps()
            page.bar(ScalarMappable(norm, cmap), _SHARE, extend="neither", alpha=None)
            return
        words = _SHARE if look.is_share else self._words(look, len(page.axes) * len(page.axes[0]))
        alpha = None if isinstance(self.alpha, str) else self.alpha
        colours = ScalarMappable(look.norm, look.cmap)
        page.bar(colours, words, extend=look.ends, alpha=alpha)

    def _words(self, look: Look, n_maps: int) -> str:
        """Label of the colour bar, which says how maps are scaled."""
        words = _WORDS.get(self.scaler, "saliency") if isinstance(self.scaler, str) else "saliency"
        top = "largest" if look.ends == "neither" else f"percentile {self.percentile:g}"
        return words.format(top=top, each=" of each" if n_maps > 1 else "")
