"""What to write for the names that methods have in papers and in other tools."""

from __future__ import annotations

_GRADIENT = 'pass calculator="gradient"'
_PATH = 'pass calculator="integrated_gradients"'
_NOISE = 'samplers=["gaussian"], n_samples=30'
_BAYES = 'pass samplers=["mc_dropout"], n_samples=30'

#: Name, without spaces, hyphens and underscores, → what to write.
_WRITTEN = {
    **dict.fromkeys(("saliency", "vanilla", "vanillagradient", "grad"), _GRADIENT),
    **dict.fromkeys(("gradientcalculator", "sensitivity"), _GRADIENT),
    **dict.fromkeys(("ig", "integratedgradient", "integratedgradientscalculator"), _PATH),
    **dict.fromkeys(("integratedgrad", "intgrad", "pathintegratedgradients"), _PATH),
    **dict.fromkeys(("occlusioncalculator", "ablation"), 'pass calculator="occlusion"'),
    "smoothgrad": f'pass {_NOISE}, aggregator="raw" with the calculator "gradient"',
    "smoothgradsq": f'pass {_NOISE}, aggregator="square" with the calculator "gradient"',
    "smoothgradsquared": f'pass {_NOISE}, aggregator="square" with the calculator "gradient"',
    "vargrad": f'pass {_NOISE}, aggregator="variance" with the calculator "gradient"',
    "noisetunnel": f"pass {_NOISE}",
    "bayesgrad": f'{_BAYES}, aggregator="raw" with the calculator "gradient"',
    "bayessmoothgrad": 'pass samplers=["gaussian", "mc_dropout"], n_samples=(8, 16)',
    **dict.fromkeys(("dropout", "mcdropout", "montecarlodropout"), _BAYES),
    **dict.fromkeys(("gaussiannoise", "noise", "normal"), f"pass {_NOISE}"),
    **dict.fromkeys(("mean", "average", "signed"), 'pass aggregator="raw"'),
    **dict.fromkeys(("absolute", "magnitude", "absmax"), 'pass aggregator="abs"'),
    **dict.fromkeys(("squared", "meansquare"), 'pass aggregator="square"'),
    **dict.fromkeys(("var", "std"), 'pass aggregator="variance"'),
    **dict.fromkeys(("table", "dataframe", "csv"), 'pass domain="tabular"'),
    **dict.fromkeys(("image", "images", "photo", "photos"), 'pass domain="vision"'),
    **dict.fromkeys(("molecule", "molecules", "graph", "mol"), 'pass domain="molgraph"'),
}


def what_to_write(name: str) -> str:
    """Part of a sentence that says how to ask for a method by its name in the field; may be empty.

    Args:
        name: The name of a method, in any spelling.
    """
    return _WRITTEN.get(name.lower().replace("_", "").replace("-", "").replace(" ", ""), "")
