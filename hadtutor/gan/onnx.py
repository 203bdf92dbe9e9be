"""Trained generators as laws of decays: inside the cluster model, and as ONNX files for any event generator."""

import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from .._support.checks import whole
from .._support.optional import need
from ..events.clusters import WAITING
from ..files import DataFileError, reading, replacing
from ..kinematics.tensor import helicity_axes, rotate
from .directions import conditions, leading, momenta

KIND = "hadtutor decay generator 1"
OPSET = 18


def export_onnx(generator: Any, path: str | os.PathLike) -> None:
    """Write a generator of decays to an ONNX file.

    Inputs are ``condition`` and ``noise``, standard normal numbers, output is ``direction``, all float32 and of any
    number of rows: the noise is an input, so that whoever runs it chooses the random numbers.

    Parameters
    ----------
    generator : hadtutor.gan.DecayGenerator
        With layers of `torch.nn.ReLU`, on any device and in any precision.
    path : str or Path
        Replaced only once the new file is complete.

    Raises
    ------
    ImportError, TypeError
        If onnx is not installed; if a layer is neither linear nor a ReLU.
    """
    onnx = need("onnx", "ml", "writing ONNX files")
    from onnx import TensorProto, helper, numpy_helper

    nodes: list = []
    constants: list = []

    def constant(value, name):
        value = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value)
        kind = np.int64 if value.dtype.kind == "i" else np.float32
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value, kind), name))
        return name

    def add(operation, *inputs, output=None, **attributes):
        output = output or f"{operation.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    one = constant(np.array([1]), "axis")

    def columns(of, first, last):
        ends = (constant(np.array([at]), f"{of}_{first}_{last}_{k}") for k, at in enumerate((first, last)))
        return add("Slice", of, *ends, one)

    scale = generator.scale
    known = add("Div", add("Sub", "condition", constant(scale.mean, "mean")), constant(scale.spread, "spread"))
    noise = columns("noise", 2, generator.n_noise) if generator.symmetric else "noise"
    x = add("Concat", known, noise, axis=1)
    for k, layer in enumerate(generator.net):
        if isinstance(layer, nn.Linear):
            weights = constant(layer.weight, f"weight_{k}"), constant(layer.bias, f"bias_{k}")
            x = add("Gemm", x, *weights, transB=1)
        elif isinstance(layer, nn.ReLU):
            x = add("Relu", x)
        else:
            raise TypeError(f"export_onnx knows linear layers and ReLU, got {type(layer).__name__}")
    start = columns(noise, 0, 3)
    x = add("LpNormalization", add("Add", start, x), axis=1, p=2)
    if generator.symmetric:
        turn = add("LpNormalization", columns("noise", 0, 2), axis=1, p=2)
        cosine, sine = columns(turn, 0, 1), columns(turn, 1, 2)
        px, py, pz = (columns(x, k, k + 1) for k in range(3))
        turned_x = add("Sub", add("Mul", cosine, px), add("Mul", sine, py))
        turned_y = add("Add", add("Mul", sine, px), add("Mul", cosine, py))
        x = add("Concat", turned_x, turned_y, pz, axis=1)
    add("Identity", x, output="direction")

    def rows_of(name, width):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])

    inputs = [rows_of("condition", len(scale.mean)), rows_of("noise", generator.n_noise)]
    graph = helper.make_graph(nodes, "decay", inputs, [rows_of("direction", 3)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    helper.set_model_props(model, {"kind": KIND})
    onnx.checker.check_model(model, full_check=True)
    with replacing(path) as part:
        part.write_bytes(model.SerializeToString())


def run_onnx(path: str | os.PathLike, *, threads: int = 1) -> tuple[Callable, int]:
    """A function that runs a generator written by `export_onnx`, and the number of random numbers n_noise it wants.

    ``run(condition, noise)``, arrays of float32 and shapes (rows, F) and (rows, n_noise), gives directions of shape
    (rows, 3). It may be called from several threads.

    Parameters
    ----------
    path : str or Path
    threads : int
        Threads of onnxruntime for each call.

    Raises
    ------
    ImportError, FileNotFoundError, DataFileError
        If onnxruntime is not installed; if there is no such file, it is damaged, or no generator of decays.
    """
    onnxruntime = need("onnxruntime", "ml", "running ONNX files")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = whole(threads, "threads")
    options.log_severity_level = 3
    with reading(path, "ONNX file"):  # onnxruntime has a dozen errors of its own, without a common base
        raw = pathlib.Path(path).expanduser().read_bytes()
        session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    if session.get_modelmeta().custom_metadata_map.get("kind") != KIND:
        raise DataFileError(f"{path} is an ONNX file, but no generator of decays written by export_onnx")
    width = {entry.name: entry.shape[1] for entry in session.get_inputs()}

    def run(condition, noise):
        known = {"condition": np.asarray(condition, np.float32), "noise": np.asarray(noise, np.float32)}
        return session.run(["direction"], known)[0]

    return run, width["noise"]


def as_decay(generator: Any) -> Callable:
    """A trained generator as the law of decays of `hadtutor.hadronize_clusters`, its argument `decay`.

    Noise comes from that function's `rng`, so events are reproducible.

    Parameters
    ----------
    generator : DecayGenerator
        Conditioned on `conditions`.

    Examples
    --------
    >>> import numpy as np, torch, hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:100]
    >>> untrained = ht.gan.DecayGenerator(torch.rand(10, 3))
    >>> sample = ht.hadronize_clusters(showers, rng=np.random.default_rng(1), decay=as_decay(untrained))
    >>> bool(abs(sample.hadrons.e.sum() - 9120) < 1e-6)
    True
    """
    weights = next(generator.parameters(), torch.zeros((), dtype=torch.float32))

    def run(condition, noise):
        with torch.inference_mode():
            return generator(condition.to(weights), torch.as_tensor(noise).to(weights)).cpu().double()

    return _decay_by(run, int(generator.n_noise))


def load_onnx(path: str | os.PathLike, *, threads: int = 1) -> Callable:
    """As `as_decay`, of a file: `path` and `threads` as for `run_onnx`, with the same errors."""
    run, n_noise = run_onnx(path, threads=threads)
    return _decay_by(lambda condition, noise: torch.as_tensor(run(condition.numpy(), noise)).double(), n_noise)


def _decay_by(run, n_noise):
    def decay(clusters, rng):
        # Clusters that broke up or became one hadron have no decay.
        rows = np.flatnonzero(clusters.fate == WAITING)
        direction = np.zeros((len(clusters.mass), 3))
        if len(rows):
            noise = rng.standard_normal((len(rows), n_noise), dtype=np.float32)
            axes = helicity_axes(momenta(clusters)[rows, :3])
            of_leading = run(conditions(clusters)[rows], noise)
            direction[rows] = rotate(of_leading, axes) * leading(clusters)[rows, None]
        return direction

    return decay
