"""``scripts/families.py``: families of models equal a loop over their single items."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "families.py"


@pytest.mark.filterwarnings("ignore")
def test_families_equal_a_loop_over_items() -> None:
    spec = importlib.util.spec_from_file_location("families", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules["families"] = script  # where dataclasses look their types up
    spec.loader.exec_module(script)
    results = script.check()
    assert [name for name, _ in results][:7] == [
        "MultiheadAttention, batch_first=True",
        "MultiheadAttention, batch_first=False",
        "LSTM",
        "GRU",
        "RNN",
        "TransformerEncoder, padded",
        "tied modules and weights",
    ]
    for name, result in results:
        if isinstance(result, str):
            assert result.startswith("skipped: No module named"), (name, result)
        else:
            assert result <= script.TOLERANCE, name
