r"""What is measured on an event: multiplicities, event shapes and moments of the momentum fractions.

The thirteen observables of the HOMER papers :cite:p:`bierlich2025describing`, in `NAMES`. Sums run over all hadrons
of the event, and :math:`x = 2|p|/\sqrt{s}`.

- ``T``: thrust :math:`\max_n \sum |p \cdot n| / \sum |p|` :cite:p:`farhi1977quantum`, exact (`exact_thrust`)
- ``C``, ``D``: :math:`3(\lambda_1\lambda_2 + \lambda_2\lambda_3 + \lambda_3\lambda_1)` and
  :math:`27\,\lambda_1\lambda_2\lambda_3`, with the eigenvalues of the linear momentum tensor
  :math:`\sum (p_i p_j/|p|) \,/ \sum |p|` :cite:p:`ellis1981perturbative`
- ``B_W``, ``B_T``: wide and total jet broadening :cite:p:`catani1992jet`; each hemisphere of the thrust axis has
  :math:`\sum |p \times n| / (2 \sum |p|)` with the sum below over all, these are the larger one and the sum of both
- ``n_f``, ``n_ch``: number of hadrons, of charged hadrons
- ``lnx_mean``, ``lnx_var``, ``lnx_m3``: mean, variance and third central moment of :math:`|\ln x|` over the hadrons
- ``lnx_ch_mean``, ``lnx_ch_var``, ``lnx_ch_m3``: the same over the charged hadrons

Four more, in `MORE`:

- ``S``, ``A``: sphericity :math:`\frac32 (\lambda_2 + \lambda_3)` and aplanarity :math:`\frac32 \lambda_3`, with the
  eigenvalues of the quadratic tensor :math:`\sum p_i p_j / \sum |p|^2` :cite:p:`bjorken1970statistical`
- ``T_major``, ``T_minor``: :math:`\sum |p \cdot n| / \sum |p|` for the axis n across the thrust axis that makes it
  largest, and for the axis across both; their difference is the oblateness

An event without momentum has no shape (NaN), one with a single hadron is a pencil (T = 1, the other shapes 0). A hadron
at rest (below 1e-150 GeV) is counted, and left out of the moments of :math:`\ln x`, which are NaN where no (charged)
hadron moves; the variance and the third moment of a single one are 0.
"""

from .columns import LABELS, MORE, NAMES, compute
from .exact_thrust import thrust
from .hadrons import count, momentum_fraction, rapidity, thrust_axes

__all__ = ["LABELS", "MORE", "NAMES", "compute", "count", "momentum_fraction", "rapidity", "thrust", "thrust_axes"]
