"""The picture that the visualizer returns, as SVG and as PNG."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import IO
from zlib import crc32

from PIL import Image

from salience import colors
from salience_molgraph.pictures.shapes import Shape, xml_text


@dataclass(frozen=True)
class Drawing:
    """A picture made of shapes, as SVG or PNG; notebooks display it directly.

    Args:
        width: Width in SVG units (1/96 inch).
        height: Height in SVG units.
        shapes: The shapes, from back to front.
        title: What the picture is of, for readers who do not see it.
        description: What it shows, for these readers.
        resolution: Pixels per SVG unit in the PNG.
    """

    width: float
    height: float
    shapes: tuple[Shape, ...]
    title: str = ""
    description: str = ""
    resolution: float = 2.0

    def __repr__(self) -> str:
        return f"Drawing({self.width:g} × {self.height:g}, {len(self.shapes)} shapes)"

    @property
    def svg(self) -> str:
        """The picture as SVG; highlighted atoms and bonds have the classes atom-i and bond-j."""
        body = "".join(shape.svg() for shape in self.shapes)
        name = f"picture-{crc32(body.encode()):08x}"  # ids must not clash on a page
        width, height = f"{self.width:g}", f"{self.height:g}"
        return (
            "<?xml version='1.0' encoding='utf-8'?>\n"
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            f'aria-labelledby="{name}-title {name}-desc" width="{width}px" height="{height}px" '
            f'viewBox="0 0 {width} {height}">\n'
            f'<title id="{name}-title">{xml_text(self.title)}</title>\n'
            f'<desc id="{name}-desc">{xml_text(self.description)}</desc>\n'
            f'<rect width="{width}" height="{height}" fill="{colors.GROUND}"/>\n'
            f"{body}</svg>\n"
        )

    @property
    def png(self) -> bytes:
        """The picture as PNG."""
        size = (round(self.width * self.resolution), round(self.height * self.resolution))
        image = Image.new("RGB", size, colors.GROUND)
        for shape in self.shapes:
            shape.paint(image, self.resolution)
        stream = BytesIO()
        dpi = 96 * self.resolution
        # optimize=True takes four times as long for a file that is 2 % smaller.
        image.save(stream, "png", dpi=(dpi, dpi))
        return stream.getvalue()

    @property
    def dpi(self) -> float:
        """Pixels per inch in the PNG."""
        return 96 * self.resolution

    def get_size_inches(self) -> tuple[float, float]:
        """Width and height in inches."""
        return self.width / 96, self.height / 96

    def savefig(
        self,
        fname: str | PathLike[str] | IO[bytes],
        *,
        format: str | None = None,
        dpi: float | None = None,
    ) -> None:
        """Write the picture.

        Args:
            fname: A path or a binary stream.
            format: ``"svg"`` or ``"png"``. ``None`` takes the suffix of the path, and PNG for a
                stream.
            dpi: Pixels per inch in a PNG; where ``None``, as ``resolution`` says.

        Raises:
            ValueError: The format is neither SVG nor PNG.
        """
        path = Path(fname) if isinstance(fname, str | PathLike) else None
        suffix = path.suffix.removeprefix(".").lower() if path is not None else "png"
        kind = suffix if format is None else format
        if kind == "svg":
            content = self.svg.encode()
        elif kind == "png":
            content = (self if dpi is None else replace(self, resolution=dpi / 96)).png
        else:
            raise ValueError(f"molecules are drawn as svg or png, not as {kind!r}")
        if path is not None:
            path.write_bytes(content)
        else:
            assert not isinstance(fname, str | PathLike)
            fname.write(content)

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_png_(self) -> bytes:
        return self.png
