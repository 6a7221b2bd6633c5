"""The checksum of a saved file: SHA-256 of all its bytes, but those of the checksum itself.

The JSON of salience in the header of a safetensors file begins with the sum as 64 hexadecimal
digits. It is made with zeros in their place, so that any other bit of the file, of the header and
of its length included, counts.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

KEY = "sha256"
#: What stands in the place of the sum while it is made.
ZEROS = "0" * 64
_PLACE = re.compile(rb'"salience":"\{\\"sha256\\": \\"([0-9a-f]{64})\\"')
# Bytes that are read at once.
_CHUNK = 2**20
# The longest header of safetensors.
_LONGEST = 100_000_000


def summed(payload: bytes) -> bytes:
    """A file whose header holds zeros for its checksum, with the checksum in their place.

    Args:
        payload: The file.
    """
    start, stop = _place(payload[: 8 + int.from_bytes(payload[:8], "little")])
    digest = hashlib.sha256(payload).hexdigest().encode()
    return payload[:start] + digest + payload[stop:]


def holds(path: Path) -> bool | None:
    """Whether a file has the checksum that it holds; ``None`` where it holds none."""
    with path.open("rb") as stream:
        length = stream.read(8)
        number = int.from_bytes(length, "little")
        if number > _LONGEST:  # no file of safetensors
            return None
        head = length + stream.read(number)
        try:
            start, stop = _place(head)
        except ValueError:
            return None
        made = hashlib.sha256(head[:start] + ZEROS.encode() + head[stop:])
        while chunk := stream.read(_CHUNK):
            made.update(chunk)
    return made.hexdigest().encode() == head[start:stop]


def _place(head: bytes) -> tuple[int, int]:
    """Where the sum lies in a header.

    Raises:
        ValueError: There is none, or more than one.
    """
    places = list(_PLACE.finditer(head))
    if len(places) != 1:
        raise ValueError("no checksum")
    return places[0].span(1)
