"""Examples that the pages of help show, each of which runs in a test."""

from __future__ import annotations

#: Command, or "" for all of them → examples.
EXAMPLES: dict[str, str] = {
    "": """
salience plugins
salience explain --domain vision --model mymodels:net --out out photos/
salience show out/run.salience --item cat.jpg --format svg --out cat
salience report out/run.salience --out report.html
""",
    "plugins": """
salience plugins
salience plugins --json
salience plugins --check
salience plugins tabular --check
salience plugins --time
""",
    "doctor": """
salience doctor
salience doctor --json
""",
    "new": """
salience new audio
salience new speech --data padded --target module
salience new my_method --kind calculator
""",
    "explain": r"""
salience explain --domain vision --model mymodels:net --weights net.pt \
    --sampler gaussian:scale=0.15 --n-samples 8 --aggregator abs \
    --on-error skip --out maps --report maps.html photos/
salience explain --domain molgraph --id-column name --model mymodels:atoms \
    --calculator integrated_gradients --out mols --report mols.html mols.csv
salience explain --domain 'tabular:categorical=[colour]' --id-column plant \
    --model mymodels:rows --target numeric \
    --target 'embed:axes=item,feature,channel' \
    --out rows --export rows.parquet rows.csv
salience explain --domain tabular --model mymodels:mlp --sampler mc_dropout \
    --n-samples 16 --out rows2 mymodels:dataset
""",
    "check": """
salience check --domain vision --model mymodels:net 'photos/*.jpg'
salience check --domain molgraph --model mymodels:atoms CCO 'c1ccccc1O'
""",
    "show": """
salience show out/run.salience
salience show out/run.salience --item cat.jpg --item 1 --format svg --out two
salience show out/run.salience --visualizer overlay:alpha=0.8 --overwrite
""",
    "rerun": """
salience rerun out/run.salience --model mymodels:net --out again photos/
""",
    "run": """
salience run --init --domain tabular
salience run config.toml
""",
    "results": """
salience results run
salience results run --to-csv results.csv
""",
    "report": r"""
salience report out/run.salience --out report.html
salience report plain=out/run.salience again=again/run.salience \
    --title 'Photos, twice' --out both.html
""",
}
