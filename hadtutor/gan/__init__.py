r"""Generative adversarial networks for the decays of clusters :cite:p:`goodfellow2014generative,ghosh2022towards`.

A decay in two hadrons is one direction in the rest frame of the cluster. A generator G turns random numbers, and what
is known of the cluster, into such directions; a discriminator D tells them from true ones; each learns from the other.
`AngleGAN` is the first of them as it was published, `DecayGAN` learns the same better. `EventGAN` sees the hadrons of
events only, and `FlavourGAN` learns which hadrons there are.

Directions are those of the *leading* hadron, the one with the perturbative constituent (of two such, or none, the one
with the quark), in the helicity frame of the cluster, see `hadtutor.kinematics.tensor`.
"""

from .directions import Decays, conditions, decays, leading, momenta, pair_rows, with_pseudorapidity
from .distance import AngleScore, angle_distance, polar_chi2, sampling_floor
from .event_clusters import EventClusters, hadrons_of
from .events import EventDiscriminator, EventGAN, clouds
from .flavour import FlavourDiscriminator, FlavourGAN, FlavourGenerator, flavour_clouds, fractions
from .networks import DecayDiscriminator, DecayGAN, DecayGenerator, adversarial
from .onnx import as_decay, export_onnx, load_onnx, run_onnx
from .pairs import Neighbours, neighbours
from .published import AngleGAN, AngleGenerator, LabDecays, lab_decays

__all__ = [
    "AngleGAN", "AngleGenerator", "AngleScore", "DecayDiscriminator", "DecayGAN", "DecayGenerator", "Decays",
    "EventClusters", "EventDiscriminator", "EventGAN", "FlavourDiscriminator", "FlavourGAN", "FlavourGenerator",
    "LabDecays", "Neighbours", "adversarial", "angle_distance", "as_decay", "clouds", "conditions", "decays",
    "export_onnx", "flavour_clouds", "fractions", "hadrons_of", "lab_decays", "leading", "load_onnx", "momenta",
    "neighbours", "pair_rows", "polar_chi2", "run_onnx", "sampling_floor", "with_pseudorapidity",
]  # fmt: skip
