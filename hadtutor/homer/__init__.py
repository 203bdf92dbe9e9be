r"""HOMER: learn a fragmentation function from data, with the histories of a simulation.

Data are hadrons; a simulation knows its string breaks too. So :cite:p:`bierlich2025describing`

1. a classifier finds weights that turn simulated events into data (`step_one`),
2. these weights of events are traced back to weights of breaks (`step_two`), which are a fragmentation function,
3. and break weights make weights of events again (`step_three`), now as functions of the history.

The classifier gives all histories behind the same observables the same weight, which leaves a bias. So the steps are
repeated with the simulation as weighted, until the classifier cannot tell it from data (iHOMER
:cite:p:`butter2025iterative`): an expectation–maximisation. `fit` does all that, and puts error bars on the result.

Weights of few effective events have no honest errors, so `fit` can simulate anew where the data are (``rebase``). What
is not z, such as the width of transverse momenta, has a weight of its own (`Factors`), or it would bend f. `calibrate`
repeats a fit on data whose truth is known.

Of clusters `fit` learns the angles of their decays (`ClusterResult`), by the posterior alone: an event knows so little
of one decay that iterations crawl.
"""

from ..metrics.pulls import Coverage, coverage, event_pulls
from .basis import BreakBasis
from .break_weights import BreakWeights
from .chains import Chains
from .checks import HomerError
from .classify import METHODS, ClassWeights, step_one
from .cluster_result import ClusterResult
from .factors import FACTORS, Factors
from .histograms import Histograms, step_one_histograms
from .inputs import CloudMoments, HistogramMoments, Moments
from .iterate import fit
from .lund_fit import ParametricFit, fit_lund, fit_mixture
from .network import BreakNetwork, regress
from .nodes import break_features
from .posterior import Measurement, Posterior, event_sigma, infer, measure
from .pseudo_experiments import Calibration, calibrate
from .published import Published
from .result import HomerResult
from .smearing import smear
from .steps import Iteration, maximise, most_likely, prepare, step_three, step_two

__all__ = [
    "BreakBasis", "BreakNetwork", "BreakWeights", "Calibration", "Chains", "ClassWeights", "CloudMoments",
    "ClusterResult", "Coverage", "FACTORS", "Factors", "HistogramMoments", "Histograms", "HomerError",
    "HomerResult", "Iteration", "METHODS", "Measurement", "Moments", "ParametricFit", "Posterior", "Published",
    "break_features", "calibrate", "coverage", "event_pulls", "event_sigma", "fit", "fit_lund", "fit_mixture",
    "infer", "maximise", "measure", "most_likely", "prepare", "regress", "smear", "step_one", "step_one_histograms",
    "step_three", "step_two",
]  # fmt: skip
