"""What the tests of Ray share: models that are found by name, and clusters on the loopback."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

# Ray reads this when it is imported: the clusters of these tests take the address of the loopback.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

_HERE = Path(__file__).parent
for folder in (_HERE, _HERE.parents[3] / "tests" / "scale"):
    sys.path.insert(0, str(folder))
torch.set_num_threads(1)
