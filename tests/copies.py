"""What ``salience new`` can make."""

from __future__ import annotations

from itertools import product

from salience.cli.plugins.new import KINDS

DOMAINS = {
    f"{data}_from_{target}": ("--data", data, "--target", target)
    for data, target in product(("dense", "padded", "ragged"), ("input", "module"))
}
#: Name of a plugin → options with which it is made: every combination that there is.
COMBINATIONS = DOMAINS | {f"own_{kind}": ("--kind", kind) for kind in KINDS if kind != "domain"}
