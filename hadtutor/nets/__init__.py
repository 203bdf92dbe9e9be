r"""Small networks: layers and mathematics, nothing else. `hadtutor.training` trains them.

Events are sets of hadrons, of different sizes and without an order. `DeepSets` treats them as such
:cite:p:`zaheer2017deep,komiske2019energy`: every hadron goes through the same network Φ, the results are added up, and
a second network F looks at the sum,

.. math:: D(\{h_1, \dots, h_n\}) = F\Bigl(\sum_i \Phi(h_i)\Bigr) .

A sum over single hadrons cannot see pairs. `GraphNet` can: each hadron first hears from its nearest neighbours, which
is what tells where a string with gluons bends.

Classifiers return logits: trained on equally many events of both classes, the logit is the logarithm of their
likelihood ratio.
"""

from .bayes import BayesMLP
from .features import axis_features, directions, hadron_features
from .graph import GraphNet
from .layers import MLP, Standardise, torch_seed
from .sets import Cloud, DeepSets, ScaledCloud, from_padded

__all__ = [
    "BayesMLP", "Cloud", "DeepSets", "GraphNet", "MLP", "ScaledCloud", "Standardise", "axis_features", "directions",
    "from_padded", "hadron_features", "torch_seed",
]  # fmt: skip
