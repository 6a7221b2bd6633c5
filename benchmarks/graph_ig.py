"""Integrated gradients of molecules: 32 path points from atoms without an embedding."""

from __future__ import annotations

import copy

import torch
from captum.attr import IntegratedGradients
from torch import Tensor
from torch_geometric.explain import CaptumExplainer, Explainer

import salience
from graphs import BATCHES, DOMAIN, Net, gradient, joined, setup
from harness import main
from quadrature import gauss_legendre
from task import Check, Contender, Found, Goal, Task, found, relative


def make(quick: bool) -> Task:
    """The task."""
    given = setup(32 if quick else 1025)
    n_molecules, some = len(given.graphs), 8 if quick else 64
    steps = 4 if quick else 32
    calculator = salience.IntegratedGradients(steps)
    whole_atoms, whole = joined(given.graphs)

    def of_first(values: Tensor) -> Tensor:
        return given.first(some, values)

    def ours(data: object) -> Found:
        return found(salience.explain(given.net, data, DOMAIN, calculator))

    def auto(_: int) -> Found:
        return found(salience.explain(given.net, given.graphs, DOMAIN, "integrated_gradients"))

    def captum(batch: int) -> Tensor:
        net = given.frozen if batch else given.net
        with torch.no_grad():
            state = net.embed(whole_atoms)
        method = IntegratedGradients(net.body)
        values: Tensor = method.attribute(
            state,
            additional_forward_args=whole,
            n_steps=steps,
            internal_batch_size=len(state) if batch else None,
        )
        return values.sum(1)

    explainer = Explainer(
        given.net.body,
        CaptumExplainer("IntegratedGradients", n_steps=steps),
        explanation_type="model",
        node_mask_type="attributes",
        model_config={"mode": "regression", "task_level": "graph"},
    )

    def pyg(atoms: Tensor, structure: tuple[object, ...]) -> Tensor:
        edge_index, owner, number = structure
        with torch.no_grad():
            state = given.net.embed(atoms)
        mask: Tensor = explainer(state, edge_index, owner=owner, n_molecules=number).node_mask
        return mask.sum(1)

    def loop(net: Net, batch: int, count: int) -> Tensor:
        alphas, weights = gauss_legendre(steps, net.embed.weight.dtype)
        parts = []
        for start in range(0, count, batch):
            atoms, structure = joined(given.graphs[start : min(start + batch, count)])
            with torch.no_grad():
                state = net.embed(atoms)
            total = torch.zeros_like(state)
            for alpha, weight in zip(alphas.tolist(), weights.tolist(), strict=True):
                total += weight * gradient(net.body, alpha * state, structure)
            parts.append((state * total).sum(1))
        return torch.cat(parts)

    def checks() -> list[Check]:
        net = copy.deepcopy(given.net).double()
        ours = salience.explain(net, given.graphs, DOMAIN, calculator).only.flat
        expected = loop(net, 1, some)
        what = f"Difference from the loop over {some} molecules one by one, in float64"
        return [Check(what, relative(of_first(ours), expected), 1e-6)]

    one_by_one = f"PyG's CaptumExplainer, {some} molecules one by one"
    return Task(
        f"Graphs, integrated gradients {steps}",
        f"{n_molecules} molecules, a graph network of three layers of 32 units, {steps} "
        f"Gauss–Legendre points from zero to the output of the embedding. PyG's explainer graph by "
        f"graph and the seed's loop are run on {some} molecules and their times scaled up.",
        {
            "salience": Contender(lambda _: ours(given.graphs)),
            "salience, from RDKit's molecules": Contender(lambda _: ours(given.mols), own=True),
            "salience, steps='auto'": Contender(auto, own=True, compare="nothing"),
            "Captum": Contender(captum, may_fail=True),
            "Captum, tuned: one path point a pass": Contender(lambda _: captum(1)),
            one_by_one: Contender(
                lambda _: torch.cat([pyg(*joined([graph])) for graph in given.graphs[:some]]),
                share=some / n_molecules,
                part=of_first,
            ),
            "PyG's CaptumExplainer, all as one graph": Contender(lambda _: pyg(whole_atoms, whole)),
            "seed's loop": Contender(
                lambda _: loop(given.net, 1, some), share=some / n_molecules, part=of_first
            ),
            "bare loop, the limit": Contender(
                lambda batch: loop(given.frozen, batch, n_molecules), BATCHES
            ),
        },
        tolerance=1e-3,
        goals=[Goal(one_by_one, 30)],
        checks=checks,
    )


if __name__ == "__main__":
    main(make)
