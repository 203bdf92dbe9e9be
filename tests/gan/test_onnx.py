import numpy as np
import onnx
import pytest
import torch
from gans import ALPHA, pions, showers, small_gan
from scipy import stats
from torch import nn

import hadtutor as ht
from hadtutor import gan
from hadtutor.files import DataFileError
from hadtutor.kinematics.tensor import (
    angles,
)
from hadtutor.nets import torch_seed


@pytest.mark.parametrize("symmetric", [False, True])
def test_onnx_agrees_with_torch(tmp_path, symmetric):
    truth = gan.decays(pions())
    generator = small_gan(truth, symmetric=symmetric).generator
    gan.export_onnx(generator, tmp_path / "decay.onnx")
    assert [f.name for f in tmp_path.iterdir()] == ["decay.onnx"], "no pieces left behind"
    run, n_noise = gan.run_onnx(tmp_path / "decay.onnx")
    assert n_noise == generator.n_noise
    noise = np.random.default_rng(3).standard_normal((len(truth.condition), n_noise), dtype=np.float32)
    with torch.no_grad():
        expected = generator(truth.condition, torch.as_tensor(noise)).numpy()
    assert abs(run(truth.condition.numpy(), noise) - expected).max() < 1e-5
    assert run(truth.condition.numpy()[:0], noise[:0]).shape == (0, 3)


def test_events_through_onnx_are_those_through_torch_and_conserve_momentum(tmp_path):
    generator = small_gan(gan.decays(pions())).generator
    gan.export_onnx(generator, tmp_path / "decay.onnx")
    samples = [
        ht.hadronize_clusters(showers(), rng=np.random.default_rng(5), pions_only=True, threads=threads, decay=decay)
        for decay, threads in (
            (gan.as_decay(generator), 1),
            (gan.load_onnx(tmp_path / "decay.onnx"), 1),
            (gan.load_onnx(tmp_path / "decay.onnx"), 2),
        )
    ]
    columns = [np.stack([s.hadrons.px, s.hadrons.py, s.hadrons.pz, s.hadrons.e]) for s in samples]
    assert abs(columns[0] - columns[1]).max() < 1e-3
    assert np.array_equal(columns[1], columns[2]), "the number of threads changes nothing"
    for sample, column in zip(samples, columns, strict=True):
        total = np.stack([np.bincount(sample.hadrons.event, weights=x, minlength=len(sample)) for x in column], 1)
        full = sample.hadrons.multiplicity > 0
        assert abs(total[full] - [0, 0, 0, sample.energy]).max() < 1e-6 * sample.energy


def test_decays_through_the_event_chain_are_those_of_the_generator():
    """The frames of training and generation are the same: what comes out has the law of the network."""
    truth = gan.decays(pions())
    generator = small_gan(truth).generator
    with torch.no_grad():
        generator.net[-1].bias += torch.tensor([0.0, 0.0, 1.5])
    sample = ht.hadronize_clusters(
        showers(), rng=np.random.default_rng(5), pions_only=True, decay=gan.as_decay(generator)
    )
    there = gan.decays(sample)
    with torch.no_grad(), torch_seed(2):
        direct = generator.sample(there.condition)
    for got, expected in zip(angles(there.direction).T, angles(direct).T, strict=True):
        assert stats.ks_2samp(got, expected).pvalue > ALPHA / 2


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "text", "other"])
def test_onnx_files_that_are_none(tmp_path, damage):
    path = tmp_path / "decay.onnx"
    gan.export_onnx(small_gan(gan.decays(pions())).generator, path)
    if damage == "missing":
        path.unlink()
        with pytest.raises(FileNotFoundError):
            gan.load_onnx(path)
        return
    if damage == "other":
        model = onnx.load(path)
        del model.metadata_props[:]
        onnx.save(model, path)
    else:
        raw = path.read_bytes()
        path.write_bytes({"empty": b"", "truncated": raw[: len(raw) // 2], "text": b"decays"}[damage])
    wanted = r"decay\.onnx is (a damaged or truncated ONNX file|an ONNX file, but no generator)"
    with pytest.raises(DataFileError, match=wanted):
        gan.load_onnx(path)


def test_export_knows_its_layers():
    generator = small_gan(gan.decays(pions())).generator
    generator.net[1] = nn.Tanh()
    with pytest.raises(TypeError, match="knows linear layers and ReLU, got Tanh"):
        gan.export_onnx(generator, "never.onnx")
