"""Mutants of domains that show with a model only, and of their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import torch
from torch import Tensor

from salience import Batch
from salience_template.dense import Spectra

from .mutant import breaks
from .sound import ON_SERIES, ON_SPECTRA, Words

CALLS = count()


@breaks("outputs_keep_the_graph", "domain", **ON_SPECTRA)
class DetachesOutput(Spectra):
    """Cuts the output off its graph"""

    def by_item(self, output: Any, values: Mapping[str, Any]) -> Any:
        return output.detach()


@breaks("outputs_keep_the_graph", "domain", **ON_SPECTRA)
class DetachesArguments(Spectra):
    """Cuts the arguments off their graph"""

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (values["intensity"].detach(),), {}


@breaks("outputs_keep_the_graph", "domain", **ON_SPECTRA)
class RoundsArguments(Spectra):
    """Rounds the arguments, whose gradient is 0 then"""

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (values["intensity"].round(),), {}


@breaks("preflight_takes_no_fallback", "domain", **ON_SPECTRA)
class CentredOutput(Spectra):
    """Centres the output over the rows of a pass"""

    def by_item(self, output: Any, values: Mapping[str, Any]) -> Any:
        return output - output.mean(0)


@breaks("preflight_takes_no_fallback", "domain", **ON_SPECTRA)
class CentredArguments(Spectra):
    """Centres the arguments over the rows of a pass"""

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        x = values["intensity"]
        return (x - x.mean(0),), {}


@breaks("preflight_takes_no_fallback", "domain", **ON_SPECTRA)
class OutputByPlace(Spectra):
    """Adds the place in the pass to the output"""

    def by_item(self, output: Any, values: Mapping[str, Any]) -> Any:
        return output * (1 + torch.arange(len(output))[:, None])


@breaks("preflight_takes_no_fallback", "domain", **ON_SPECTRA)
class OutputReversed(Spectra):
    """Returns the rows of the output in reverse order"""

    def by_item(self, output: Any, values: Mapping[str, Any]) -> Any:
        return output.flip(0)


@breaks("preflight_takes_no_fallback", "domain", **ON_SPECTRA)
class ArgumentsRolled(Spectra):
    """Hands each row the values of the next"""

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (values["intensity"].roll(1, 0),), {}


@breaks("padding_does_not_matter", "domain", **ON_SERIES)
class HidesTheMask(Words):
    """Hands the model a mask without padding"""

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (values["x"], torch.ones_like(values["mask"])), {}


@breaks("padding_does_not_matter", "domain", **ON_SERIES)
class MeanOverPadding(Words):
    """Divides the output by the padded length"""

    def by_item(self, output: Any, values: Mapping[str, Any]) -> Any:
        return output / values["mask"].shape[1]


@breaks("preflight_takes_no_fallback", "domain", **ON_SPECTRA)
class OutputByRows(Spectra):
    """Divides the output by the number of rows of a pass"""

    def by_item(self, output: Any, values: Mapping[str, Any]) -> Any:
        return output / len(output)


@breaks("packing_does_not_matter", "domain", **ON_SPECTRA)
class ScaledByNeighbours(Spectra):
    """Scales items by the largest of their batch"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        x = made.arguments["intensity"]
        return replace(made, arguments={"intensity": x / x.abs().max()})


@breaks("order_does_not_matter", "domain", **ON_SPECTRA)
class SortsItems(Spectra):
    """Sorts the items of a batch by their mean, and with them who is who"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return super().collate(sorted(samples, key=lambda sample: -float(sample.mean())))


@breaks("budget_does_not_matter", "domain", **ON_SPECTRA)
class ScaledByNumber(Spectra):
    """Divides items by their number in the batch"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        x = made.arguments["intensity"]
        return replace(made, arguments={"intensity": x / len(x)})


@breaks("explanations_come_again", "domain", **ON_SPECTRA)
class NoisyOutput(Spectra):
    """Adds noise of its own to the output"""

    def by_item(self, output: Any, values: Mapping[str, Any]) -> Any:
        return output * (1 + 0.01 * next(CALLS))


@breaks("precision_is_kept", "domain", **ON_SPECTRA)
class JoinsInFloat32(Spectra):
    """Turns saliency into float32"""

    def join(
        self, saliency: Mapping[str, Tensor], dataset_info: Mapping[str, Any]
    ) -> Mapping[str, Tensor]:
        return {name: value.float() for name, value in saliency.items()}


@breaks("precision_is_kept", "domain", **ON_SPECTRA)
class ArgumentsInFloat64(Spectra):
    """Hands the model float64, whatever its precision"""

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (values["intensity"].double(),), {}


@breaks("model_is_left_unchanged", "domain", **ON_SPECTRA)
class RegistersHooks(Spectra):
    """Leaves a hook on the user's model"""

    def default_target(self, model: Any) -> Any:
        model.register_forward_hook(lambda *given: None)
        return "input"


@breaks("model_is_left_unchanged", "domain", **ON_SPECTRA)
class SetsEvalMode(Spectra):
    """Puts the user's model into eval mode"""

    def default_target(self, model: Any) -> Any:
        model.train(not model.training)
        return "input"


@breaks("model_is_left_unchanged", "domain", **ON_SPECTRA)
class FreezesWeights(Spectra):
    """Freezes the weights of the user's model"""

    def default_target(self, model: Any) -> Any:
        for parameter in model.parameters():
            parameter.requires_grad_(not parameter.requires_grad)
        return "input"


@breaks("model_is_left_unchanged", "domain", **ON_SPECTRA)
class NotesOnTheModel(Spectra):
    """Leaves an attribute on the user's model"""

    def default_target(self, model: Any) -> Any:
        setattr(model, f"seen_{next(CALLS)}", True)
        return "input"


@breaks("explanations_survive_saving", "domain", **ON_SERIES)
class LoadsOthers(Words):
    """Loads the annotations of an explanation with other values"""

    def decode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        return {**annotation, "size": annotation["size"] + 1}


@breaks("tables_have_an_entry_for_each_position", "domain", **ON_SERIES)
class PositionsShort(Words):
    """Knows all positions of an item but the last"""

    def positions(
        self, annotation: Mapping[str, Any], axes: tuple[str, ...]
    ) -> Mapping[str, Sequence[Any]]:
        return {"word": annotation["names"][:-1]}


@breaks("tables_have_an_entry_for_each_position", "domain", **ON_SPECTRA)
class ValuesOfOneItem(Spectra):
    """Gives the values of one item as those of all"""

    def feature_values(
        self, variable: str, n_positions: int, annotations: Any, dataset_info: Any
    ) -> Sequence[Any] | None:
        return [0.0] * n_positions


@breaks("payload_is_valid", "domain", **ON_SERIES)
class PayloadOfAnotherView(Words):
    """Makes a payload of a view that reports do not have"""

    def payload(self, explanation: Any, item: int) -> Mapping[str, Any] | None:
        return {"view": "words", "tokens": []}


@breaks("payload_is_valid", "domain", **ON_SERIES)
class PayloadShort(Words):
    """Makes a payload with a token too few"""

    def payload(self, explanation: Any, item: int) -> Mapping[str, Any] | None:
        return {"view": "tokens", "tokens": explanation.annotations[item]["names"][1:]}


@breaks("payload_is_valid", "domain", **ON_SPECTRA)
class PayloadWithoutNumbers(Spectra):
    """Makes a payload with NaN on its axis"""

    def payload(self, explanation: Any, item: int) -> Mapping[str, Any] | None:
        made = super().payload(explanation, item)
        return None if made is None else {**made, "x": [float("nan")] * 5}


@breaks("pictures_are_drawn", "domain", **ON_SPECTRA)
class AnnotatesNothing(Spectra):
    """Lacks the annotations that its visualizer draws"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return replace(super().collate(samples), annotations=())


@breaks("pictures_are_drawn", "domain", **ON_SPECTRA)
class DescribesNothing(Spectra):
    """Lacks the dataset_info that its visualizer draws"""

    def dataset_info(self, samples: Sequence[Tensor]) -> dict[str, Any]:
        return {}


@breaks("loaded_explanations_are_drawn", "domain", **ON_SPECTRA)
class LoadsNothing(Spectra):
    """Loads no annotations, which its visualizer draws"""

    def decode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        return {}


@breaks("plugin_imports_nothing_heavy", "domain", **ON_SPECTRA)
class OfAHeavyPlugin(Spectra):
    """Belongs to a plugin whose hooks import torch"""

    __module__ = "salience_heavy.domain"


# --- What no check catches ------------------------------------------------------------------------


@breaks(
    "",
    "domain",
    reason="a domain may round what a model reads, and all the numbers agree",
    **ON_SPECTRA,
)
class RoundsALittle(Spectra):
    """Rounds arguments to float16 and back"""

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        x = values["intensity"]
        return (x.half().to(x.dtype),), {}


@breaks(
    "",
    "domain",
    reason="the kit does not know what names mean",
    **ON_SERIES,
)
class PositionsReversed(Words):
    """Gives the names of positions in reverse order"""

    def positions(
        self, annotation: Mapping[str, Any], axes: tuple[str, ...]
    ) -> Mapping[str, Sequence[Any]]:
        return {"word": annotation["names"][::-1]}
