"""The public names and where they live."""

from .domain import Vision as Vision
from .overlay import Overlay as Overlay
from .transform import ImageTransform as ImageTransform
