"""Models that processes of a pool make again, by ``scale_models:name``."""

from __future__ import annotations

import os
import signal
import time

import torch
from torch import Tensor, nn

#: A value of the first feature from which on an item kills the process that explains it.
DEADLY = 1e6


def table() -> nn.Module:
    """A table of 6 features, with dropout."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.3), nn.Linear(16, 3))


class Photos(nn.Module):
    """A convolution with a normalisation that can be folded, and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.body[1].running_mean.uniform_()
        self.drop, self.head = nn.Dropout(0.2), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.body(x)).mean((2, 3)))


def photos() -> nn.Module:
    torch.manual_seed(1)
    return Photos()


class Molecules(nn.Module):
    """Two message steps over bonds, and a sum over the atoms of each molecule."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.message = nn.Embedding(119, 6), nn.Linear(6, 6)
        self.out = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 1))

    def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
        state = self.embed(atoms)
        start, end = edge_index
        for _ in range(2):
            sent = self.message(state)[start]
            state = torch.tanh(state + torch.zeros_like(state).index_add(0, end, sent))
        total = state.new_zeros(int(owner.max()) + 1, 6).index_add(0, owner, state)
        return self.out(total)


def molecules() -> nn.Module:
    torch.manual_seed(2)
    return Molecules()


class Deadly(nn.Module):
    """Kills its process at some items, as a fault of a native library would."""

    def __init__(self) -> None:
        super().__init__()
        self.net = table()

    def forward(self, x: Tensor) -> Tensor:
        if bool((x[:, 0] >= DEADLY).any()):
            os.kill(os.getpid(), signal.SIGKILL)
        return self.net(x)


def deadly() -> nn.Module:
    return Deadly()


class Slow(nn.Module):
    """Takes a while for each pass, so that a run can be killed in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.net = table()

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.01)
        return self.net(x)


def slow() -> nn.Module:
    return Slow()


class Altered(nn.Module):
    """Computes something that is not among its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.factor = table(), 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * self.net(x)


def altered() -> nn.Module:
    return Altered()


def rows(n_items: int = 500) -> Tensor:
    """Rows of a table of 6 features."""
    return torch.randn(n_items, 6, generator=torch.Generator().manual_seed(3))


class Rows(torch.utils.data.Dataset):
    """The same rows, one by one."""

    def __len__(self) -> int:
        return 500

    def __getitem__(self, item: int) -> Tensor:
        return rows()[item]
