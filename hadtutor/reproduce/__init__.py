r"""Experiments of paper size: ``python -m hadtutor reproduce NAME`` runs one and keeps its numbers and figures.

- ``homer``: one passage of HOMER, then the iteration, the posterior and new simulations, for data at a = 0.30
  :cite:p:`bierlich2025describing`.
- ``ihomer``: the same for data that no single Lund function describes, with parametric fits; the networks as published
  for the same events; a mixture in b; and the coverage of the errors in 20 pseudo-experiments
  :cite:p:`butter2025iterative`.
- ``gluons``: data at a = 0.30 from strings with gluons: one, always the same; one of a shower; all of a shower
  :cite:p:`assi2025characterizing`; and several strings in an event. Two of the four want the extra ``pythia``.
- ``lep``: 79 published figures of Z decays: a tune of a, b and σ and what new events make of it, the function that each
  experiment leads to and what it predicts for the others, other showers. It wants the extra ``pythia``.
- ``gan``: the first GAN for cluster decays as published :cite:p:`ghosh2022towards`, for pions and for all hadrons; ours
  inside the generator, beside LEP; and event GANs fitted to other clusters and to strings. It wants ``pythia``, too.

Data and simulation have 10⁶ events each, those of ``lep`` 2·10⁵, those of ``gan`` 10⁴. Whether they agree is judged
with new events, both simulated and data, by classifiers that were not part of the fit. A run that was interrupted goes
on where it stopped.
"""

from .results import EXPERIMENTS, figure, stored, summary
from .run import reproduce

__all__ = ["EXPERIMENTS", "figure", "reproduce", "stored", "summary"]
