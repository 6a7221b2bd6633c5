"""The overlay: saliency as a colour map over the photo, for one item or as a grid."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from salience import Explanation, InputError, Visualizer, colors
from salience.errors import brief, nearest
from salience.scalers import Scaler, get_scaler
from salience_vision.pictures.captions import aggregate_words, caption, credits_of, mean_title
from salience_vision.pictures.hatching import share_steps, share_words
from salience_vision.pictures.look import PLAIN, Look, draw_map, notes_of, share_label
from salience_vision.pictures.maps import (
    Map,
    faint_words,
    is_top_share,
    map_values,
    read_map,
    read_shares,
    refusal_of,
)
from salience_vision.pictures.page import Page, bar_beside, write_into
from salience_vision.pictures.place import Bar, Heading
from salience_vision.pictures.scale import (
    SCALES,
    SHARES,
    Pixels,
    Scale,
    bar_words,
    differ,
    looked_at,
    looked_at_words,
    scale_of,
)
from salience_vision.pictures.smoothing import Smoothing

_BACKDROPS = ("auto", "colour", "grey", "dark", "light")
_SHOWS = ("auto", "map", "top_share")
_SHARES = ("all", "row", "column", "none")
# What shares the scale of a map that shares it with none.
_ALONE = "the map"


@dataclass(frozen=True)
class Overlay(Visualizer):
    """Saliency drawn as a colour map over the photo.

    By default opacity grows with the magnitude, so that the photo stays visible where saliency is
    low, and the photo is toned down so that the colours stand out from it. The overlay of uniform
    opacity in chainer-chemistry is ``Overlay(cmap="jet", alpha=0.5, percentile=100)``.

    Where there are several draws and the aggregator keeps signs, places whose sign is uncertain are
    hatched: the 95 % interval of :meth:`salience.Explanation.interval` holds 0 there, so that the
    unadjusted p-value is at least .05. Magnitudes have no sign to test. How stable they are is said
    by the share of draws in which a place is among the top 10 % of its photo
    (:attr:`salience.Explanation.top_share`), which is drawn beside their map, as contours at 50 and
    95 % of the draws over the grey photo. So is what the aggregator ``top_share`` makes.

    A map that is smaller than the photo (a target variable inside the model) is upsampled
    bilinearly, which the picture says; sums of blocks keep their edges.

    Args:
        cmap: A colour map or its name; ``None`` takes ``"inferno"`` where saliency is nowhere
            negative, and blue and vermilion, centred at 0, where it has signs. Both can be read
            with colour-blind eyes.
        alpha: ``"fade"``, or one opacity from 0 to 1 for the whole map.
        scaler: ``"abs_max"``, ``"min_max"``, ``"normalize"``, ``"identity"`` or a function; see
            :mod:`salience.scalers`. Where ``None``, ``"identity"`` for methods that are complete,
            whose values are parts of f, and ``"abs_max"`` for others.
        scale: What the picture of one photo shares its scale with: ``"explanation"``, all of the
            photos (evenly spaced ones, where there are many), so that their pictures can be
            compared, or ``"item"``, none.
        share: What shares a scale in a grid: ``"all"`` maps, those of a ``"row"`` or of a
            ``"column"``, or ``"none"``. Where ``None``, those of a column.
        percentile: Magnitudes above this percentile are clipped to it, so that a few extreme pixels
            do not dim the rest; the colour bar then ends in arrows. 100 clips nothing.
        show: ``"map"``, or ``"top_share"`` for the contours of shares of draws; ``"auto"`` has both
            side by side for one photo where shares are known, and maps in grids.
        colorbar: Whether to draw the colour bar.
        title: Title in place of the item's name; ``""`` for none.
        backdrop: The photo in ``"colour"``, ``"grey"``, ``"dark"`` (dim, nearly grey) or
            ``"light"`` (light grey). ``"auto"`` is ``"colour"`` where ``alpha`` is a number, and
            otherwise ``"light"`` for signed and ``"dark"`` for unsigned saliency.
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
    draws_into_axes: ClassVar[bool] = True
    draws_into_figures: ClassVar[bool] = True

    cmap: str | Colormap | None = None
    alpha: float | str = "fade"
    scaler: str | Scaler | None = None
    scale: str = "explanation"
    share: str | None = None
    percentile: float = 99.0
    show: str = "auto"
    colorbar: bool = True
    title: str | None = None
    backdrop: str = "auto"
    variable: str | None = None
    hatch: bool = True
    smooth: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scaler is not None:
            get_scaler(self.scaler)
        Smoothing.of(self.smooth)
        if self.cmap is not None:
            colors.colormap(self.cmap)  # raises InputError for an unknown map
        if self.alpha != "fade" and (isinstance(self.alpha, str) or not 0 <= self.alpha <= 1):
            raise InputError(f'alpha is {brief(self.alpha)}; pass "fade" or a number from 0 to 1')
        if not 0 < self.percentile <= 100:
            raise InputError(f"percentile is {self.percentile}; pass one above 0 and up to 100")
        known = {"backdrop": _BACKDROPS, "show": _SHOWS, "scale": SCALES}
        if self.share is not None:
            known["share"] = _SHARES
        for name, words in known.items():
            value = getattr(self, name)
            if not isinstance(value, str) or value not in words:
                raise InputError(f"unknown {name} {brief(value)}; {nearest(value, words)}")

    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn: it is not of maps of one size."""
        return refusal_of(explanation, self.variable)

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw the photo under its saliency, titled by name, predicted class and its output.

        Where shares of draws are known, they are drawn beside it.
        """
        title, subtitle = self._titles(explanation, item)
        drawn = self._drawn(explanation, item)
        shares = None
        if self.show == "auto":
            shares = drawn if drawn.is_share else read_shares(explanation, item, self.variable)
        scale, of = self._item_scale(explanation, drawn)
        look = self._look([scale])
        heading = Heading(title, subtitle, credits_of(explanation, [item]))
        faint, contours = _faint_words(drawn, scale, of), drawn.is_contours
        if shares is None or shares.photo is None:
            bar = self._bar(
                [explanation], [drawn], [scale], of, faint=faint, only_contours=contours
            )
            page = self._page(drawn, bar, heading)
            draw_map(page.axes[0][0], drawn, look, scale)
            return page.figure
        bar = self._bar([explanation], [shares, drawn], [scale], of, faint=faint)
        heads = (share_words(shares.values), aggregate_words(explanation))
        page = self._page(drawn, bar, heading, heads)
        draw_map(page.axes[0][0], shares, look, SHARES)
        draw_map(page.axes[0][1], drawn.bare(), look, scale)
        return page.figure

    def mean(self, explanation: Explanation) -> Figure:
        """Draw the mean map over all items, without a photo."""
        drawn = self._read(explanation, None)
        scale = self._scale([explanation], [drawn.values], [drawn])
        title = mean_title(explanation) if self.title is None else self.title
        bar = self._bar([explanation], [drawn], [scale], _ALONE)
        page = self._page(drawn, bar, Heading(title))
        draw_map(page.axes[0][0], drawn, self._look([scale]), scale)
        return page.figure

    def draw(self, axes: Axes, explanation: Explanation, item: int | None) -> None:
        """Draw the photo under its saliency, or the mean map, into the user's axes."""
        if item is None:
            drawn, of = self._read(explanation, None), _ALONE
            scale = self._scale([explanation], [drawn.values], [drawn])
            title, subtitle = mean_title(explanation), ""
        else:
            drawn = self._drawn(explanation, item)
            scale, of = self._item_scale(explanation, drawn)
            title, subtitle = self._titles(explanation, item)
        draw_map(axes, drawn, self._look([scale]), scale)
        axes.set_axis_off()
        title = title if self.title is None else self.title
        axes.set_title("\n".join(filter(None, (title, subtitle))), size=10, parse_math=False)
        contours, faint = drawn.is_contours, _faint_words(drawn, scale, of)
        bar = self._bar([explanation], [drawn], [scale], of, faint=faint, only_contours=contours)
        if bar is not None:
            bar_beside(axes, bar)

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Figure:
        """Draw items (rows) × explanations (columns), with the photos as the first column.

        All maps have one colour bar. Where they do not share one scale, it is in units of the
        magnitude at which the colours of each scale end.
        """
        titles = list(explanations)
        maps = {
            (item, title): self._drawn(explanation, item, counted=False)
            for item in items
            for title, explanation in explanations.items()
        }
        share = self.share or ("column" if len(titles) > 1 else "all")
        scales = self._shared(explanations, maps, share)
        labels = [caption(explanations[titles[0]], item) for item in items]
        return self._table(explanations, maps, scales, share, labels)

    def mean_grid(self, explanations: Mapping[str, Explanation]) -> Figure:
        """Draw the mean maps of several explanations, side by side."""
        maps = {(0, title): self._read(one, None) for title, one in explanations.items()}
        share = self.share or "column"
        scales = self._shared(explanations, maps, share)
        numbers = {mean_title(one) for one in explanations.values()}
        label = numbers.pop() if len(numbers) == 1 else "mean"
        return self._table(explanations, maps, scales, share, [(label, ())])

    def _table(
        self,
        explanations: Mapping[str, Explanation],
        maps: Mapping[tuple[int, str], Map],
        scales: Mapping[tuple[int, str], Scale],
        share: str,
        labels: Sequence[tuple[str, tuple[str, ...]]],
    ) -> Figure:
        """A page of rows × columns of maps, with their photos where all have one."""
        titles, rows = list(explanations), list(dict.fromkeys(item for item, _ in maps))
        every, found = list(maps.values()), list(dict.fromkeys(scales.values()))
        look = self._look(found)
        of = {"all": "all maps", "none": "each map"}.get(share, f"each {share}")
        is_shared = share != "none" and len(maps) > 1
        faint = faint_words(every, list(scales.values()), "share='none'") if is_shared else ""
        bar = self._bar(
            list(explanations.values()),
            every,
            found,
            _ALONE if len(maps) == 1 else of,
            faint=faint,
            only_contours=all(drawn.is_contours for drawn in every),
        )
        photos = [maps[row, titles[0]].photo for row in rows]
        front = ("photo",) if all(photo is not None for photo in photos) else ()
        ends = {at: scale.words for at, scale in scales.items()} if differ(found) else {}
        heads = [
            f"{title}, to {ends[rows[0], title]}" if ends and share == "column" else title
            for title in titles
        ]
        if ends and share == "row":
            labels = [
                (name, (*words, f"colours to {ends[row, titles[0]]}"))
                for row, (name, words) in zip(rows, labels, strict=True)
            ]
        credit = credits_of(next(iter(explanations.values())), rows) if front else ""
        page = Page(
            len(rows),
            (*front, *heads),
            ratio=every[0].ratio,
            labels=tuple(labels),
            heading=Heading(self.title or "", credit=credit),
            bar=bar,
            figure=self.given_figure,
        )
        for axes, row, photo in zip(page.axes, rows, photos, strict=True):
            if front and photo is not None:
                axes[0].imshow(photo)
            for cell, title in zip(axes[len(front) :], titles, strict=True):
                draw_map(cell, maps[row, title], look, scales[row, title])
                if ends and share == "none":
                    write_into(cell, f"to {ends[row, title]}", page.cell_width)
        return page.figure

    def _titles(self, explanation: Explanation, item: int) -> tuple[str, str]:
        name, predicted = caption(explanation, item)
        title = name if self.title is None else self.title
        return title, ", ".join(predicted) if title else ""

    def _page(
        self,
        drawn: Map,
        bar: Bar | None,
        heading: Heading,
        heads: tuple[str, ...] = (),
    ) -> Page:
        return Page(
            1,
            heads,
            ratio=drawn.ratio,
            heading=heading,
            bar=bar,
            side=3.4 if heads else 0.0,
            figure=self.given_figure,
        )

    def _drawn(self, explanation: Explanation, item: int, *, counted: bool = True) -> Map:
        """What is drawn of an item: its map, or where it is asked for its shares of draws."""
        if self.show != "top_share" or is_top_share(explanation):
            return self._read(explanation, item, counted=counted)
        found = read_shares(explanation, item, self.variable)
        if found is None:
            raise InputError(
                "the share of draws was not counted, which is for magnitudes of maps under several "
                "draws; explain with aggregator='top_share'"
            )
        return found

    def _read(self, explanation: Explanation, item: int | None, *, counted: bool = True) -> Map:
        return read_map(
            explanation,
            item,
            self.variable,
            hatches=self.hatch,
            counted=counted,
            smoothing=Smoothing.of(self.smooth),
        )

    def _item_scale(self, explanation: Explanation, drawn: Map) -> tuple[Scale, str]:
        """The scale of the picture of one item, and what shares it."""
        if self.scale == "item" or len(explanation) == 1 or drawn.is_share:
            return self._scale([explanation], [drawn.values], [drawn]), _ALONE
        size, smoothing = drawn.values.size, Smoothing.of(self.smooth)
        shown = looked_at(explanation, size)
        values = [map_values(explanation, i, self.variable, smoothing) for i in shown]
        return self._scale([explanation], values, [drawn]), looked_at_words(explanation, size)

    def _shared(
        self,
        explanations: Mapping[str, Explanation],
        maps: Mapping[tuple[int, str], Map],
        share: str,
    ) -> dict[tuple[int, str], Scale]:
        """The scale of each map of a grid."""
        groups: dict[Any, list[tuple[int, str]]] = {}
        for item, title in maps:
            name = {"all": "", "row": item, "column": title, "none": (item, title)}[share]
            groups.setdefault(name, []).append((item, title))
        # One scaler for all, so that one bar says what the colours of each map are.
        every = list(explanations.values())
        found: dict[tuple[int, str], Scale] = {}
        for places in groups.values():
            own = [maps[place] for place in places]
            scale = self._scale(every, [drawn.values for drawn in own], own)
            found |= dict.fromkeys(places, scale)
        return found

    def _scale(
        self, explanations: Sequence[Explanation], values: Sequence[Pixels], maps: Sequence[Map]
    ) -> Scale:
        if all(drawn.is_share for drawn in maps):
            return SHARES
        signed = any(drawn.signed for drawn in maps)
        return scale_of(values, self._scaler(explanations), self.percentile, signed=signed)

    def _scaler(self, explanations: Sequence[Explanation]) -> str | Scaler:
        if self.scaler is not None:
            return self.scaler
        return "identity" if all(one.is_complete for one in explanations) else "abs_max"

    def _look(self, scales: Sequence[Scale]) -> Look:
        """The look that all maps of a figure share."""
        signed = any(scale.signed for scale in scales)
        limit = 1.0 if differ(scales) else scales[0].limit or 1.0
        backdrop = self.backdrop
        if backdrop == "auto":
            backdrop = "colour" if self.alpha != "fade" else "light" if signed else "dark"
        norm = Normalize(-limit if signed else 0.0, limit)
        cmap = colors.colormap(self.cmap or (colors.SIGNED if signed else PLAIN))
        return Look(cmap, norm, self.alpha, backdrop)

    def _bar(
        self,
        explanations: Sequence[Explanation],
        maps: Sequence[Map],
        scales: Sequence[Scale],
        of: str,
        *,
        faint: str = "",
        only_contours: bool = False,
    ) -> Bar | None:
        """The colour bar; ``None`` where there is to be none.

        Args:
            explanations: The explanations that are drawn.
            maps: The maps that are explained below the bar.
            scales: The scales of the maps.
            of: What shares a scale, in words.
            faint: What is said of maps that are faint on the scale that they share.
            only_contours: Whether all maps are drawn as contours, whose colours the bar has.
        """
        if not self.colorbar:
            return None
        notes = notes_of(maps, faint)
        if only_contours:
            cmap, steps = share_steps()
            return Bar(ScalarMappable(steps, cmap), share_label(maps), notes=notes)
        look = self._look(scales)
        colours = ScalarMappable(look.norm, look.cmap)
        alpha = None if isinstance(self.alpha, str) else self.alpha
        if all(scale is SHARES for scale in scales):
            return Bar(colours, share_label(maps), alpha=alpha, notes=notes)
        clips = any(scale.bound is not None for scale in scales)
        scaler = self._scaler(explanations)
        words = bar_words(explanations, scaler, of, percentile=self.percentile, clips=clips)
        if differ(scales):
            words = f"{words},\n1 = the end of {of}"
        signed = any(scale.signed for scale in scales)
        return Bar(colours, words, ("neither", "max", "both")[clips * (1 + signed)], alpha, notes)


def _faint_words(drawn: Map, scale: Scale, of: str) -> str:
    """What is said of the map of one photo where it is faint among those that share its scale."""
    return "" if of == _ALONE else faint_words([drawn], [scale], "scale='item'")
