"""What the domain reads and refuses, and that core can work with its batches."""

import numpy as np
import pytest
import torch

from salience import InputError
from salience_template.dense import Spectra

SPECTRA = np.random.default_rng(0).normal(size=(5, 2, 7))


def broken(value: float) -> np.ndarray:
    spectra = SPECTRA.copy()
    spectra[3, 1, 4] = value
    return spectra


def test_reads_arrays_tensors_and_files_alike(tmp_path):
    np.save(tmp_path / "spectra.npy", SPECTRA)
    path = tmp_path / "spectra.npy"
    for data in (SPECTRA, torch.tensor(SPECTRA), path, str(path), [str(path)]):
        assert torch.equal(torch.stack(Spectra().read(data)), torch.tensor(SPECTRA))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1.0, 2.0], "cannot be read from a list"),
        (SPECTRA[0], r"shape \(2, 7\), expected \(items, channels, wavelengths\)"),
        (SPECTRA[:0], r"shape \(0, 2, 7\)"),
        (SPECTRA.astype(str), "expected real numbers"),
        (SPECTRA.astype(complex), "expected real numbers"),
        (broken(np.nan), "spectrum 3 holds nan in channel 1 at position 4"),
        (broken(np.inf), "spectrum 3 holds inf in channel 1 at position 4"),
        ("missing.npy", "'missing.npy' cannot be read"),
    ],
)
def test_refuses_what_are_no_spectra(data, message):
    with pytest.raises(InputError, match=message):
        Spectra().read(data)


def test_refuses_wavelengths_that_do_not_fit():
    with pytest.raises(InputError, match="6 wavelengths were given for spectra of 7 positions"):
        Spectra(wavelengths=range(6)).read(SPECTRA)


def test_a_file_of_pickled_objects_is_not_opened(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        Spectra().read(tmp_path / "objects.npy")


def test_facts_name_the_positions():
    domain = Spectra(wavelengths=(1.0, 2.0), unit="µm")
    samples = domain.read(SPECTRA[:, :, :2])
    assert domain.dataset_info(samples) == {"wavelengths": [1.0, 2.0], "unit": "µm"}
    assert Spectra().dataset_info(samples) == {"wavelengths": [0, 1], "unit": "position"}
