"""Slower ways that do not need what was disproved, and the error where there is none."""

from __future__ import annotations

from dataclasses import replace

from salience.engine.preflight.proof import ROWS, Proof
from salience.engine.request import Verdicts
from salience.errors import InputError
from salience.results.preflight import FALLBACK, Verdict
from salience.support.notices import tell


def one_by_one(proof: Proof, padding: bool) -> Verdicts:
    """Go on with one row a pass, and tell it.

    Args:
        proof: Gets the verdict.
        padding: Whether the cause is the padding.

    Raises:
        InputError: Rows run alone already.
    """
    verdicts = proof.request.verdicts
    if verdicts.one_row_per_pass and verdicts.one_item_per_batch:
        raise keeps_state()
    cause = "reads the padding of items" if padding else "lets rows that share a pass meet"
    proof.verdicts.append(Verdict(ROWS, FALLBACK, f"the model {cause}; each row runs alone"))
    tell(
        f"The model {cause}, so that each row runs in a pass of its own, which takes longer; with "
        f"max_rows=1 it does so from the start."
    )
    return replace(verdicts, one_row_per_pass=True, one_item_per_batch=True)


def without(proof: Proof, names: tuple[str, ...], why: str) -> Verdicts:
    """Go on without some speed-ups.

    Args:
        proof: Gets the verdicts.
        names: Names of the speed-ups.
        why: What shows that they change the model.
    """
    verdicts = proof.request.verdicts
    for name in names:
        proof.verdicts.append(Verdict(f"speed-up {name}", FALLBACK, f"switched off: {why}"))
    return replace(verdicts, without=(*verdicts.without, *names))


def keeps_state() -> InputError:
    """The error for a model whose passes are not alike."""
    return InputError(
        "the model gives another output for the same input in a second pass, since it draws or "
        "keeps a state from pass to pass; draw nothing in eval mode and reset what it keeps at the "
        "start of forward"
    )
