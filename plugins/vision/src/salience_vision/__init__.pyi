"""The public names and where they live."""

from .domain import Vision as Vision
from .pictures.montage import Montage as Montage
from .pictures.overlay import Overlay as Overlay
from .regions import Region as Region
from .regions import regions as regions
from .transform import ImageTransform as ImageTransform
