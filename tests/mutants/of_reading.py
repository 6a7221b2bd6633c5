"""Mutants of reading, of annotations and of settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from salience import Batch, Domain, Layout
from salience_template.dense import Spectra

from .mutant import breaks
from .sound import ON_SERIES, ON_SPECTRA, SPECTRA, Words

CALLS = count()
LISTED = {"data": {"spectra": SPECTRA}, "model": ON_SPECTRA["model"], "n_items": len(SPECTRA)}


class FromMapping(Spectra):
    """Reads spectra from a mapping."""

    def read(self, data: Any) -> list[Tensor]:
        return super().read(data["spectra"] if isinstance(data, dict) else data)


# --- Reading --------------------------------------------------------------------------------------


@breaks("reads_a_sequence", "domain", **ON_SPECTRA)
class ReadsAnIterator(Spectra):
    """Returns an iterator, which can be read once"""

    def read(self, data: Any) -> Any:
        return iter(super().read(data))


class Shifted(Sequence[Any]):
    def __init__(self, samples: Sequence[Any]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.samples[index.start : (index.stop or len(self)) + 1]
        return self.samples[index]


@breaks("reads_a_sequence", "domain", **ON_SPECTRA)
class SlicesTooLong(Spectra):
    """Returns a sequence whose slices hold an item too many"""

    def read(self, data: Any) -> Any:
        return Shifted(super().read(data))


@breaks("reads_every_item", "domain", **ON_SPECTRA)
class DropsLast(Spectra):
    """Drops the last item"""

    def read(self, data: Any) -> list[Tensor]:
        return super().read(data)[:-1]


@breaks("reads_every_item", "domain", **ON_SPECTRA)
class DropsNegative(Spectra):
    """Drops items with a negative mean without a word"""

    def read(self, data: Any) -> list[Tensor]:
        return [sample for sample in super().read(data) if sample.mean() > 0]


@breaks("reads_every_item", "domain", **ON_SPECTRA)
class ReadsTwice(Spectra):
    """Reads every item twice"""

    def read(self, data: Any) -> list[Tensor]:
        return 2 * super().read(data)


@breaks("reads_every_item", "domain", **LISTED)
class DropsFromMapping(FromMapping):
    """Drops an item of data whose number of items only the author knows"""

    def read(self, data: Any) -> list[Tensor]:
        return super().read(data)[1:]


@breaks("reads_twice_alike", "domain", **ON_SPECTRA)
class NoisyRead(Spectra):
    """Adds noise to what it reads"""

    def read(self, data: Any) -> list[Tensor]:
        return [sample + 0.01 * next(CALLS) for sample in super().read(data)]


@breaks("reads_twice_alike", "domain", **ON_SPECTRA)
class NoisyCollate(Spectra):
    """Adds noise to what it collates"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return super().collate([sample + 0.01 * next(CALLS) for sample in samples])


@breaks("reads_twice_alike", "domain", **ON_SPECTRA)
class ReadsInAnyOrder(Spectra):
    """Reads the items in another order each time"""

    def read(self, data: Any) -> list[Tensor]:
        return [torch.as_tensor(one) for one in np.roll(np.array(data), next(CALLS), 0)]


@breaks("refuses_other_data", "domain", **ON_SPECTRA)
class RaisesTypeError(Spectra):
    """Raises TypeError for what is no data"""

    def read(self, data: Any) -> list[Tensor]:
        return [torch.as_tensor(sample) for sample in data]


@breaks("refuses_other_data", "domain", **ON_SPECTRA)
class ReadsAnything(Spectra):
    """Takes anything for data"""

    def read(self, data: Any) -> list[Tensor]:
        return super().read(data) if isinstance(data, np.ndarray) else []


@breaks("leaves_data_unchanged", "domain", **ON_SPECTRA)
class ScalesInPlace(Spectra):
    """Scales the user's array in place"""

    def read(self, data: Any) -> list[Tensor]:
        if isinstance(data, np.ndarray):
            data /= 2
        return super().read(data)


@breaks("leaves_data_unchanged", "domain", **LISTED)
class AddsAKey(FromMapping):
    """Adds a key to the user's dict"""

    def read(self, data: Any) -> list[Tensor]:
        found = super().read(data)
        data["n_read"] = len(found)
        return found


@breaks("leaves_data_unchanged", "domain", **ON_SERIES)
class SortsInPlace(Words):
    """Sorts the user's list"""

    def read(self, data: Any) -> list[Tensor]:
        found = super().read(data)
        data.sort(key=len)
        return found


@breaks("leaves_data_unchanged", "domain", **ON_SERIES)
class CollatesInPlace(Words):
    """Scales the user's tensors while it collates"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        for sample in samples:
            sample.mul_(0.5)
        return super().collate(samples)


@breaks("annotations_keep_no_memory_of_data", "domain", **ON_SERIES)
class SharesMemory(Words):
    """Keeps the user's tensors as annotations"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        pairs = zip(made.annotations, samples, strict=True)
        return replace(made, annotations=[{**note, "values": own} for note, own in pairs])


@breaks("annotations_keep_no_memory_of_data", "domain", **ON_SERIES)
class InfoSharesMemory(Words):
    """Keeps a user's tensor in dataset_info"""

    def dataset_info(self, samples: Sequence[Tensor]) -> dict[str, Any]:
        return {"first": samples[0]}


@breaks("leaves_generators_unmoved", "domain", **ON_SPECTRA)
class DrawsWhileCollating(Spectra):
    """Draws from torch's generator while it collates"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        torch.rand(1)
        return super().collate(samples)


@breaks("leaves_generators_unmoved", "domain", **ON_SPECTRA)
class SeedsNumpy(Spectra):
    """Seeds NumPy's generator while it reads"""

    def read(self, data: Any) -> list[Tensor]:
        np.random.seed(next(CALLS))
        return super().read(data)


@breaks("names_every_item", "domain", **ON_SPECTRA)
class OneNameShort(Spectra):
    """Names all items but the last"""

    def ids(self, samples: Sequence[Any]) -> Sequence[Any]:
        return [f"spectrum {i}" for i in range(len(samples) - 1)]


@breaks("names_every_item", "domain", **ON_SPECTRA)
class NamesAreTensors(Spectra):
    """Names items by tensors"""

    def ids(self, samples: Sequence[Any]) -> Sequence[Any]:
        return [sample.mean() for sample in samples]


# --- Annotations ----------------------------------------------------------------------------------


@breaks("annotates_every_item", "domain", **ON_SPECTRA)
class OneAnnotationShort(Spectra):
    """Annotates all items but the last"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        return replace(made, annotations=made.annotations[: max(1, len(samples) - 1)])


@breaks("annotates_every_item", "domain", **ON_SPECTRA)
class OneAnnotationForAll(Spectra):
    """Gives all items one annotation object"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        return replace(made, annotations=[made.annotations[0]] * len(samples))


@breaks("annotates_every_item", "domain", **ON_SPECTRA)
class AnnotationsAreTensors(Spectra):
    """Annotates items by tensors in place of mappings"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return replace(super().collate(samples), annotations=list(samples))


@breaks("annotations_belong_to_their_items", "domain", **ON_SPECTRA)
class AnnotationsReversed(Spectra):
    """Annotates items in reverse order"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        return replace(made, annotations=list(made.annotations)[::-1])


@breaks("annotations_belong_to_their_items", "domain", **ON_SPECTRA)
class AnnotationsRotated(Spectra):
    """Annotates each item as the one before it"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        notes = list(made.annotations)
        return replace(made, annotations=notes[-1:] + notes[:-1])


@breaks("annotations_belong_to_their_items", "domain", **ON_SPECTRA)
class AnnotationsNumbered(Spectra):
    """Annotates items by their number in the batch"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        notes = [{**note, "number": i} for i, note in enumerate(made.annotations)]
        return replace(made, annotations=notes)


@breaks("annotations_belong_to_their_items", "domain", **ON_SPECTRA)
class AnnotatedByBatch(Spectra):
    """Scales annotations by the largest of their batch"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        largest = torch.stack(list(samples)).abs().max()
        notes = [{"intensity": note["intensity"] / largest} for note in made.annotations]
        return replace(made, annotations=notes)


@breaks("annotations_survive_saving", "domain", **ON_SPECTRA)
class EncodesRounded(Spectra):
    """Rounds annotations where they are saved"""

    def encode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        return {"intensity": annotation["intensity"].half().double()}


@breaks("annotations_survive_saving", "domain", **ON_SERIES)
class EncodesSwapped(Words):
    """Swaps two entries where annotations are saved"""

    def encode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        return {**annotation, "size": annotation["names"], "names": annotation["size"]}


@breaks("annotations_survive_saving", "domain", **ON_SERIES)
class EncodesLess(Words):
    """Drops an entry where annotations are saved"""

    def encode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in annotation.items() if name != "names"}


@breaks("annotations_survive_saving", "domain", **ON_SERIES)
class DecodesMore(Words):
    """Adds an entry where annotations are loaded"""

    def decode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        return {**annotation, "loaded": True}


@breaks("annotations_survive_saving", "domain", **ON_SERIES)
class DecodesNotAtAll(Words):
    """Saves tensors as lists and leaves them lists"""

    def encode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        return {**annotation, "values": annotation["values"].tolist()}


@breaks("annotations_survive_saving", "domain", **ON_SERIES)
class AnnotatesByFunctions(Words):
    """Annotates items by functions, which no file holds"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        return replace(made, annotations=[{**note, "names": self.ids} for note in made.annotations])


@breaks("dataset_info_survives_saving", "domain", **ON_SERIES)
class InfoHoldsFunctions(Words):
    """Describes the data set by a function"""

    def dataset_info(self, samples: Sequence[Tensor]) -> dict[str, Any]:
        return {"unit": str.upper}


@breaks("dataset_info_survives_saving", "domain", **ON_SERIES)
class InfoHoldsRange(Words):
    """Describes the data set by a range, which no file holds"""

    def dataset_info(self, samples: Sequence[Tensor]) -> dict[str, Any]:
        return {"positions": range(5)}


@breaks("dataset_info_survives_saving", "domain", **ON_SERIES)
class InfoByCall(Words):
    """Describes the same data set differently each time"""

    def dataset_info(self, samples: Sequence[Tensor]) -> dict[str, Any]:
        return {"called": next(CALLS)}


@breaks("dataset_info_survives_saving", "domain", **ON_SERIES)
class InfoIsAList(Words):
    """Describes the data set by a list"""

    def dataset_info(self, samples: Sequence[Tensor]) -> Any:
        return ["m"]


# --- Settings -------------------------------------------------------------------------------------


@breaks("is_a_frozen_dataclass", "domain", **ON_SERIES)
class NoDataclass(Domain):
    """Is no dataclass"""

    visualizer: ClassVar[str] = ""

    @property
    def layout(self) -> Layout:
        return Words().layout

    def read(self, data: Any) -> list[Tensor]:
        return Words().read(data)

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return Words().collate(samples)


@breaks("is_a_frozen_dataclass", "domain", **ON_SERIES)
@dataclass
class NotFrozen(NoDataclass):
    """Has settings that can be changed"""

    unit: str = "m"


@breaks("is_a_frozen_dataclass", "domain", **ON_SPECTRA)
class ForgetsTheDecorator(Spectra):
    """Has a setting that is no field, since the decorator is missing"""

    scale: float = 1.0


@breaks("settings_survive_saving", "domain", **ON_SPECTRA)
@dataclass(frozen=True)
class SettingsGrow(Spectra):
    """Changes a setting each time that it is made"""

    scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "scale", 2 * self.scale)


@breaks("settings_survive_saving", "domain", **ON_SPECTRA)
@dataclass(frozen=True)
class SettingsRenamed(Spectra):
    """Cannot be made again from its settings"""

    scale: float = 1.0

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        object.__setattr__(self, "scale", factor)


@breaks("pickles", "domain", **ON_SPECTRA)
@dataclass(frozen=True)
class HoldsAnOpenFile(Spectra):
    """Holds an object that cannot be sent to another process"""

    handle: Any = None

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle this")


@breaks("pickles", "domain", **ON_SPECTRA)
class LosesSettings(Spectra):
    """Loses its settings on the way to another process"""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "unit", "µm")

    def __reduce__(self) -> Any:
        return Spectra, ()
