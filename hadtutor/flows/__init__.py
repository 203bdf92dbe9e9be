r"""Flows: conditional densities that are learned, drawn from, and known as numbers.

A flow moves standard normal numbers to data by an invertible map that what is known decides. So it draws like a GAN,
and unlike one it knows the probability of whatever it is shown: how good it is can be said without a second sample.
`SplineFlow` draws its map as monotonic splines, `MatchingFlow` follows a velocity field; both have one interface.

Learned from breaks of a string a flow is a fragmentation function, `FlowLaw`, for our generator and for real Pythia;
from decays of clusters a law for the cluster model, `DecayFlow`. `magic` tunes one to events, `emit_chains` makes
chains of first emissions, and `SlicedAutoencoder` learns a sample in place of a density.
"""

from .autoencoder import SlicedAutoencoder, autoencoder_emission, sliced_distance, sorted_vectors
from .chain import emit_chains, lund_emission
from .changed import ChangedLaw
from .decays import DecayFlow
from .density import Flow, bootstrapped
from .event_tuning import MagicResult, magic
from .law import FlowLaw, breaks
from .matching import MatchingFlow
from .splines import SplineFlow

__all__ = [
    "ChangedLaw", "DecayFlow", "Flow", "FlowLaw", "MagicResult", "MatchingFlow", "SlicedAutoencoder", "SplineFlow",
    "autoencoder_emission", "bootstrapped", "breaks", "emit_chains", "lund_emission", "magic", "sliced_distance",
    "sorted_vectors",
]  # fmt: skip
