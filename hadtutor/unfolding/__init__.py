r"""Unfolding: what particles were like, from what a detector made of them.

A detector loses particles and measures the others with errors. A simulation knows both sides of each event, the truth
and what is seen. So weights for simulated events are looked for that make what is seen look like the data, *and* depend
on the truth alone, because nature, not the detector, is what may differ from the simulation:

1. at the level of the detector, the ratio of data and simulation is pulled back to the simulated events,
2. at the level of truth, its mean over events of the same truth is pushed to all of them,

and so on. With bins this is the iterative method of :cite:t:`dagostini1995multidimensional` (`iterative_bayes`), also
known as the algorithm of Richardson and Lucy. With classifiers in place of bins it is OmniFold
:cite:p:`andreassen2020omnifold` (`omnifold`): of one column (UniFold), some (MultiFold), or all particles. The loop is
the same, and so is that of `hadtutor.homer`, which asks for breaks in place of particles.

Iterations sharpen what the detector has smeared, fluctuations too: the early end of the loop is what regularises.
"""

from .binned import iterative_bayes
from .inputs import UnfoldingError
from .result import Passage, Unfolded
from .unbinned import bootstrap, omnifold

__all__ = ["Passage", "Unfolded", "UnfoldingError", "bootstrap", "iterative_bayes", "omnifold"]
