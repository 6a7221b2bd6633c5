"""Commands that find what is installed where they run, and not this repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command without the variables by which Python finds this repository.

    Returns:
        What it printed.
    """
    hidden = ("PYTHONPATH", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
