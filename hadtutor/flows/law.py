"""A learned density of z as a fragmentation function: for our strings, for real Pythia, and with its error."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.interpolate import RectBivariateSpline

from .._support.checks import plain
from ..events.sample import Sample
from .changed import Members
from .density import Flow

NODES, ROWS = 400, 60  # in logit z and in ln mT², of the splines
REACH = 12.0  # logit z from minus to plus so much: beyond, nothing was ever seen


def breaks(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """All breaks of strings, those of rejected chains too, as a `Flow` learns them: z and ln mT², shape (breaks, 1).

    Parameters
    ----------
    sample : Sample
        Of strings with their histories, else a TypeError.
    """
    histories = getattr(sample, "histories", None)
    if not hasattr(histories, "chain_offsets"):
        raise TypeError(f"a sample of strings with histories is wanted, see hadronize_strings; got {sample!r}")
    return histories.z[:, None], np.log(histories.mt2)[:, None]


class FlowLaw(Members):
    r"""The fragmentation function :math:`f(z \mid m_T^2)` that flows have learned, with their scatter as error.

    It may stand wherever a law may: in `hadronize_strings` and in `hadtutor.pythia.hadronize`, argument `law`. Flows
    are asked once, on a grid; between its points ln f is a cubic spline. Where no data were, f is that at the nearest
    :math:`m_T^2` with data.

    Parameters
    ----------
    flows : Flow or sequence of Flow
        Of z, kind "share", conditioned on :math:`\ln m_T^2` alone, see `breaks`; of several, f is the mean.

    Raises
    ------
    TypeError, ValueError
        If these are no such flows.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sample = ht.hadronize_strings(1000, rng=1)
    >>> flow = ht.flows.SplineFlow(*breaks(sample), kinds="share")
    >>> log = flow.fit(*breaks(sample), epochs=3, batch_size=512)
    >>> law = FlowLaw(flow)
    >>> ht.hadronize_strings(1000, law=law, rng=2).law
    'FlowLaw'
    """

    def __init__(self, flows: Flow | Sequence[Flow]) -> None:
        flows = [flows] if isinstance(flows, Flow) else list(flows)
        if not flows or not all(isinstance(flow, Flow) for flow in flows):
            raise TypeError(f"a flow or several are wanted, got {flows!r}")
        if any(flow.kinds != ("share",) or len(flow.low) != 1 for flow in flows):
            raise ValueError('flows of z given ln mT2 are wanted: one column of kind "share", and one condition')
        self.log_mt2 = np.linspace(max(float(f.low) for f in flows), min(float(f.high) for f in flows), ROWS)
        self.logit_z = np.linspace(-REACH, REACH, NODES)
        self._splines = []
        for flow in flows:
            with torch.no_grad():
                log_f = log_density_on(flow, self.logit_z, self.log_mt2).cpu().numpy()
            self._splines.append(RectBivariateSpline(self.logit_z, self.log_mt2, log_f))

    def _of_each(self, z: Any, mt2: Any) -> np.ndarray:
        z, mt2 = np.broadcast_arrays(plain(z, "z").astype(float), plain(mt2, "mt2").astype(float))
        if not (np.all((z > 0) & (z < 1)) and np.all((mt2 > 0) & np.isfinite(mt2))):
            raise ValueError("f is asked for at 0 < z < 1 and mT2 > 0 GeV^2 only")
        y = np.clip(np.log(z) - np.log1p(-z), -REACH, REACH)
        log_mt2 = np.clip(np.log(mt2), self.log_mt2[0], self.log_mt2[-1])
        return np.stack([np.exp(spline.ev(y, log_mt2)) for spline in self._splines]) / (z * (1.0 - z))


def log_density_on(flow: Flow, logit_z: np.ndarray, log_mt2: np.ndarray) -> torch.Tensor:
    """ln of the density of logit z at all pairs of `logit_z`, (n,), and `log_mt2`, (m,), by a `flow`; shape (n, m)."""
    y, known = (torch.as_tensor(x).to(flow.low) for x in np.meshgrid(logit_z, log_mt2, indexing="ij"))
    z = torch.sigmoid(y.reshape(-1, 1))
    log_slope = torch.nn.functional.logsigmoid(y) + torch.nn.functional.logsigmoid(-y)
    return flow.log_density(z, known.reshape(-1, 1)).reshape(y.shape) + log_slope
