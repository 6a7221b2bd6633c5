"""Checks of visualizers, on an explanation of the author's data."""

from __future__ import annotations

import copy
import sys
from contextlib import suppress
from dataclasses import replace
from typing import Any

from salience.errors import InputError
from salience.results.explanation import Explanation
from salience.testing.comparing import NotTestedError, expect, same
from salience.testing.drawn import (
    HOSTILE,
    expect_drawn,
    expect_escaped,
    formats_of,
    item_of,
    written,
)
from salience.testing.example import values_of
from salience.testing.examples import examples
from salience.testing.subject import Subject
from salience.visualize.visualizer import NoMeanError


def pictures_are_drawn(subject: Subject) -> None:
    """Items have pictures that are not empty, as PNG and SVG."""
    explanation = subject.example.explanation
    for item in (0, len(explanation) - 1):
        expect_drawn(item_of(subject.part, explanation, item), subject.part, f"item {item}")


def mean_is_drawn_or_refused(subject: Subject) -> None:
    """The mean over the data has a picture, or NoMeanError says that there is none."""
    try:
        figure = subject.part.mean(subject.example.explanation)
    except NoMeanError as refused:
        raise NotTestedError(f"the visualizer draws no mean: {refused}") from refused
    expect_drawn(figure, subject.part, "the mean")


def grid_is_drawn_or_refused(subject: Subject) -> None:
    """A grid of explanations has a picture, or InputError says that there is none."""
    explanation = subject.example.explanation
    for what, draw in (
        ("a grid", lambda of: subject.part.grid(of, [0, 1])),
        ("a grid of means", subject.part.mean_grid),
    ):
        try:
            figure = draw({"one": explanation, HOSTILE: explanation})
        except InputError:
            continue
        expect_drawn(figure, subject.part, what)
        expect_escaped(figure, subject.part, what)


def text_is_escaped(subject: Subject) -> None:
    """An id that looks like code is text in the picture, and no formula either."""
    made = subject.example.explanation
    hostile = replace(made, ids=[f"{HOSTILE} {item}" for item in range(len(made))])
    expect_escaped(
        item_of(subject.part, hostile, 0), subject.part, "an item with an id that is code"
    )


def formats_can_be_written(subject: Subject) -> None:
    """Every format that a visualizer lists can be written."""
    figure = item_of(subject.part, subject.example.explanation, 0)
    expect(bool(formats_of(subject.part)), "it writes neither PNG nor SVG; list what it writes")
    for suffix in subject.part.formats:
        expect(isinstance(suffix, str), f"formats holds {suffix!r}; list texts such as 'png'")
        if suffix not in _TOOLS:
            expect(bool(written(figure, suffix)), f"a picture written as {suffix!r} is empty")


def explanation_is_left_unchanged(subject: Subject) -> None:
    """Drawing changes nothing of the explanation."""
    made = subject.example.explanation
    before = copy.deepcopy((values_of(made), _annotations(made), dict(made.dataset_info)))
    item_of(subject.part, made, 0)
    with suppress(NoMeanError):
        subject.part.mean(made)
    after = (values_of(made), _annotations(made), dict(made.dataset_info))
    for what, one, other in zip(
        ("saliency", "annotations", "dataset_info"), before, after, strict=True
    ):
        expect(same(one, other), f"drawing changed the {what} of the explanation; work on a copy")


def global_state_is_left_unchanged(subject: Subject) -> None:
    """Drawing opens no figure of pyplot, and changes no global setting of matplotlib."""
    explanation = subject.example.explanation
    item_of(subject.part, explanation, 0)  # matplotlib is imported from here on, where it is used
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    matplotlib: Any = sys.modules.get("matplotlib")
    if matplotlib is None:
        raise NotTestedError("the visualizer does not import matplotlib")
    before = dict(matplotlib.rcParams), pyplot.get_fignums() if pyplot else []
    item_of(subject.part, explanation, 0)
    pyplot = sys.modules.get("matplotlib.pyplot")
    after = dict(matplotlib.rcParams), pyplot.get_fignums() if pyplot else []
    expect(
        before[0] == after[0], "drawing changed rcParams of matplotlib; pass settings to artists"
    )
    expect(
        before[1] == after[1],
        "drawing left a figure of pyplot open; make a matplotlib.figure.Figure instead",
    )


def draws_twice_alike(subject: Subject) -> None:
    """Two pictures of an item are the same."""
    explanation, suffix = subject.example.explanation, formats_of(subject.part)[0]
    one, two = (written(item_of(subject.part, explanation, 1), suffix) for _ in range(2))
    expect(len(one) == len(two), "two pictures of one item differ")


def given_figures_are_drawn_into(subject: Subject) -> None:
    """A figure of the user's is drawn into, and keeps its size."""
    if not subject.part.draws_into_figures:
        raise NotTestedError("the visualizer draws into no figures, as draws_into_figures says")
    figure = _figure()
    size = tuple(figure.get_size_inches())
    made = subject.part.into(figure).item(subject.example.explanation, 0)
    expect(made is figure, "it returned another figure than the one to be drawn into")
    expect(bool(figure.axes or figure.artists), "the figure to be drawn into is still empty")
    expect(tuple(figure.get_size_inches()) == size, "it changed the size of the user's figure")


def given_axes_are_drawn_into(subject: Subject) -> None:
    """Axes of the user's are drawn into, and their figure keeps its size and other axes."""
    if not subject.part.draws_into_axes:
        raise NotTestedError("the visualizer draws into no axes, as draws_into_axes says")
    figure = _figure()
    left, right = figure.subplots(1, 2)
    size, empty = tuple(figure.get_size_inches()), len(left.get_children())
    others = len(right.get_children())
    subject.part.draw(left, subject.example.explanation, 0)
    expect(
        len(left.get_children()) > empty or bool(left.child_axes), "the axes are empty afterwards"
    )
    expect(tuple(figure.get_size_inches()) == size, "it changed the size of the user's figure")
    expect(len(right.get_children()) == others, "it drew into other axes than the given ones")


def other_explanations_are_refused(subject: Subject) -> None:
    """An explanation of other data is drawn, or refused in a sentence."""
    for example in examples():
        explanation = example.explained(data=example.copied_data())
        reason = subject.part.refusal(explanation)
        expect(
            reason is None or (isinstance(reason, str) and bool(reason.strip())),
            f"refusal returned {reason!r}; return a sentence, or None",
        )
        if reason is not None:
            continue
        try:
            subject.part.item(explanation, 0)
        except InputError:
            continue
        except Exception as error:
            raise AssertionError(
                f"it raised {type(error).__name__} ({error}) for an explanation of {example.name}; "
                f"let refusal say what it draws"
            ) from error


#: Formats of matplotlib that need programs of their own.
_TOOLS = ("pgf", "ps", "eps")


def _annotations(explanation: Explanation) -> list[dict[str, Any]]:
    return [dict(annotation) for annotation in explanation.annotations]


def _figure() -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(9.0, 5.0))


CHECKS = (
    pictures_are_drawn,
    mean_is_drawn_or_refused,
    grid_is_drawn_or_refused,
    text_is_escaped,
    formats_can_be_written,
    explanation_is_left_unchanged,
    global_state_is_left_unchanged,
    draws_twice_alike,
    given_figures_are_drawn_into,
    given_axes_are_drawn_into,
    other_explanations_are_refused,
)
