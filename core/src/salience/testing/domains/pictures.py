"""Checks of the pictures that a domain's own visualizer draws of its data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from salience.plugins import host
from salience.results.explanation import Explanation
from salience.testing.comparing import NotTestedError
from salience.testing.domains.models import require_installed
from salience.testing.drawn import HOSTILE, expect_drawn, expect_escaped, item_of
from salience.testing.subject import Subject
from salience.visualize.visualizer import NoMeanError, Visualizer


def pictures_are_drawn(subject: Subject) -> None:
    """The visualizer draws items, and the mean where there is one, as PNG and SVG."""
    visualizer = _visualizer(subject)
    explanation = subject.example.explanation
    for item in (0, len(explanation) - 1):
        expect_drawn(item_of(visualizer, explanation, item), visualizer, f"item {item}")
    try:
        mean = visualizer.mean(explanation)
    except NoMeanError:
        return
    expect_drawn(mean, visualizer, "the mean")


def text_is_escaped(subject: Subject) -> None:
    """An id that looks like code is text in the picture."""
    visualizer = _visualizer(subject)
    made = subject.example.explanation
    hostile = replace(made, ids=[f"{HOSTILE} {item}" for item in range(len(made))])
    expect_escaped(item_of(visualizer, hostile, 0), visualizer, "an item with an id that is code")


def loaded_explanations_are_drawn(subject: Subject) -> None:
    """An explanation is drawn after it was saved and loaded."""
    visualizer = _visualizer(subject)
    require_installed(subject)
    with TemporaryDirectory() as folder:
        path = Path(folder, "run.salience")
        subject.example.explanation.save(path)
        loaded = Explanation.load(path)
    expect_drawn(item_of(visualizer, loaded, 0), visualizer, "a loaded explanation")


def _visualizer(subject: Subject) -> Visualizer:
    """The domain's visualizer.

    Raises:
        NotTestedError: The domain names none.
    """
    if not subject.part.visualizer:
        raise NotTestedError("the domain names no visualizer")
    made: Visualizer = host().get("visualizers", subject.part.visualizer)()
    return made


CHECKS = (pictures_are_drawn, text_is_escaped, loaded_explanations_are_drawn)
