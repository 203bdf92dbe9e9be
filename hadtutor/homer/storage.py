"""The file of a result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..files import DataFileError, read_arrays, write_arrays
from ..params import LundParams
from .basis import Axis, BreakBasis
from .break_weights import BreakWeights
from .posterior import Measurement
from .steps import Iteration

NUMBERS = ("stop_reason", "amplitude", "stretch", "lund_scale")
AGREEMENT = ("auc", "auc_error", "chi2_per_ndf")


def write(path: str | os.PathLike, result: Any, more: Mapping[str, Any] | None = None) -> None:
    """Write a `HomerResult`, and `more` into the header of its file."""
    breaks, basis = result.breaks, result.breaks.basis
    arrays = {"log_w": result.log_w, "sigma": result.sigma, "theta": breaks.theta, "reference": basis.reference}
    for i, axis in enumerate(basis.axes):
        arrays |= {f"axis{i}.nodes": axis.nodes, f"axis{i}.functions": axis.functions}
    errors = "sigma_table" if breaks.covariance is None else "covariance"
    arrays |= {"draws": result.draws, errors: getattr(breaks, errors)}
    if result.measurement is not None:
        arrays |= result.measurement._asdict()
    arrays |= {f"iterations.{k}": np.array([getattr(i, k) for i in result.iterations]) for k in Iteration._fields}
    header = {
        "homer": 1, "params": basis.params._asdict(), "conditions": list(basis.conditions),
        "axes": [[axis.name, axis.length] for axis in basis.axes],
        "agreement": [getattr(result, name) for name in AGREEMENT],
    }  # fmt: skip
    header |= {name: getattr(result, name) for name in NUMBERS} | dict(more or {})
    write_arrays(path, {name: np.ravel(values).astype(float) for name, values in arrays.items()}, header)


def read(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of a `HomerResult` as `write` wrote them, and the header of the file."""
    arrays, header = read_arrays(path)
    try:
        axes = []
        for i, (name, length) in enumerate(header["axes"]):
            nodes = arrays[f"axis{i}.nodes"]
            axes.append(Axis(name, nodes, arrays[f"axis{i}.functions"].reshape(len(nodes), -1), length))
        basis = BreakBasis(axes, arrays["reference"], LundParams(**header["params"]), header["conditions"])
        k = len(arrays["theta"])
        covariance = arrays["covariance"].reshape(k, k) if "covariance" in arrays else None
        *numbers, theta = (arrays[f"iterations.{name}"] for name in Iteration._fields)
        rows = zip(*(column.tolist() for column in numbers), theta.reshape(-1, k), strict=True)
        found = {
            "breaks": BreakWeights(basis, arrays["theta"], covariance, arrays.get("sigma_table")),
            "iterations": [Iteration(*row) for row in rows], "draws": arrays["draws"].reshape(-1, k),
            "measurement": Measurement(arrays["y"], arrays["h"].reshape(-1, k)) if "y" in arrays else None,
        }  # fmt: skip
        found |= {name: arrays[name] for name in ("log_w", "sigma")} | {name: header[name] for name in NUMBERS}
        found |= dict(zip(AGREEMENT, header["agreement"], strict=True))
        found |= {name: tuple(header[name]) for name in ("stretch", "lund_scale")}
    except (KeyError, TypeError, ValueError) as error:
        raise DataFileError(f"{path} is not a result of homer.fit: {error}") from error
    return found, header
