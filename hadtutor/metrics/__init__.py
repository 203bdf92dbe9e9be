"""Do two samples of events agree? Means by their pull, histograms by a chi-square with covariance, tests without bins.

And does one agree with LEP (`compare`)?

Weights travel as logs: `log_w` (`log_w_x`, `log_w_y`) has shape (N,), or is something that has such a `log_w`, as
`event_weights` and HOMER give; None if all events count the same. Weight zero is -inf: as good as not there. Only
ratios matter, except in `histogram`. Errors and p-values hold for weights that depend on the observable, as after
reweighting, to first order in their scatter: trust them if a hundred events or more carry the large weights. With 40,
p < 0.01 comes twice too often. A ValueError says if fewer than two events of a sample have a value and a weight, if a
weight is NaN or infinite, or if shapes do not fit.

Values may be arrays, lists, or columns of data frames and of awkward arrays; what is masked or missing is NaN.
"""

from .chi2 import Chi2Result, chi2_of_counts, chi2_test, chi2_to_data
from .classifier import AucResult, ClassifierResult, auc, classifier_test
from .distances import ks_test, wasserstein, wasserstein_test
from .energy import energy_distance, energy_test
from .histograms import Density, density_per_event, histogram, histogram_per_event
from .lep import LepComparison, compare, lep_counts, lep_settings, like_lep
from .means import pull, pull_per_hadron
from .pulls import Coverage, coverage, event_pulls
from .resampling import DistanceResult, permutation_test
from .weighted import n_eff

__all__ = [
    "AucResult", "Chi2Result", "ClassifierResult", "Coverage", "Density", "DistanceResult", "LepComparison", "auc",
    "chi2_of_counts", "chi2_test", "chi2_to_data", "classifier_test", "compare", "coverage", "density_per_event",
    "energy_distance", "energy_test", "event_pulls", "histogram", "histogram_per_event", "ks_test", "lep_counts",
    "lep_settings", "like_lep", "n_eff", "permutation_test", "pull", "pull_per_hadron", "wasserstein",
    "wasserstein_test",
]  # fmt: skip
