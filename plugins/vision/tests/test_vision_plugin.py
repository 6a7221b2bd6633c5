from __future__ import annotations

import subprocess
import sys

import salience_vision
from salience.plugins import host
from salience.plugins.parts import make


def test_parts_are_found_by_name() -> None:
    assert isinstance(make("domains", "vision:max_pixels=1000"), salience_vision.Vision)
    assert make("visualizers", "overlay:cmap=jet,alpha=0.5").alpha == 0.5


def test_the_domain_can_be_configured_by_a_mapping() -> None:
    made = make("domains", {"name": "vision", "transform": {"resize": 40, "crop": 32}})
    assert made.transform == salience_vision.ImageTransform(resize=40, crop=32)


def test_listing_the_plugin_imports_neither_torch_nor_plotting() -> None:
    code = (
        "import sys, salience_vision.plugin; "
        "print([name for name in ('torch', 'matplotlib', 'PIL', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_plugin_is_not_quarantined() -> None:
    record = next(record for record in host().records if record.name == "vision")
    assert record.error is None
    assert record.parts["domains"] == ["vision"]
    assert sorted(record.parts["visualizers"]) == ["montage", "overlay"]


def test_the_public_names_are_listed() -> None:
    assert set(salience_vision.__all__) == {
        "ImageTransform",
        "Montage",
        "Overlay",
        "Region",
        "Vision",
        "regions",
    }
    assert set(salience_vision.__all__) <= set(dir(salience_vision))
