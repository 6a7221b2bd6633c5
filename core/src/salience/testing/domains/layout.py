"""Checks of what a domain declares: its layout and its visualizer."""

from __future__ import annotations

from salience.plugins import host
from salience.testing.comparing import expect
from salience.testing.subject import Subject
from salience.visualize.visualizer import Visualizer


def layout_names_axes_that_exist(subject: Subject) -> None:
    """Every axis that the layout sums or counts is an axis of an argument or of a target."""
    domain = subject.example.fitted if subject.part.needs_data else subject.part
    layout = domain.layout
    expect(bool(layout.fields), "the layout has no argument")
    layout.check_reduced([])
    axes = {axis for spec in layout.fields.values() for axis in spec.axes} | {*layout.inner}
    for axis in layout.elements:
        expect(
            axis in axes,
            f"elements names the axis {axis!r}, which is an axis of no argument, but of these: "
            f"{', '.join(sorted(axes))}",
        )


def layout_stays_the_same(subject: Subject) -> None:
    """Two looks at the layout show the same, and batches have the layout of their domain."""
    fitted = subject.example.fitted
    expect(fitted.layout == fitted.layout, "the layout is another each time it is asked for")
    again = subject.part.fitted(subject.example.samples)
    expect(again.layout == fitted.layout, "fitted gives another layout for the same samples")
    expect(
        subject.example.batch.layout == fitted.layout,
        "collate gives a batch of another layout than that of the domain",
    )


def visualizer_is_registered(subject: Subject) -> None:
    """The domain's visualizer is one that a plugin brings, or the domain names none."""
    name = getattr(subject.part, "visualizer", None)
    expect(
        isinstance(name, str),
        f"visualizer is {name!r}; name a visualizer, or '' where there is none",
    )
    if name:
        found = host().get("visualizers", name)
        expect(issubclass(found, Visualizer), f"the visualizer {name!r} is {found}, no Visualizer")


CHECKS = (layout_names_axes_that_exist, layout_stays_the_same, visualizer_is_registered)
