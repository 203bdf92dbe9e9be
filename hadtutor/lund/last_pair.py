"""The last two hadrons of a string: how they share what is left, and in which order."""

import numpy as np
from numba.extending import register_jitable
from numpy.typing import ArrayLike

from ..events.hadrons import Hadrons


@register_jitable
def share_between_two(
    own: float, opposite: float, mt2_1: float, mt2_2: float, reverse: bool
) -> tuple[float, float, float]:
    """Light-cone momenta of the first of the last two hadrons, own and opposite [GeV], and λ [GeV²].

    Parameters
    ----------
    own, opposite : float
        What is left, along the direction of the first hadron's string end and against it [GeV].
    mt2_1, mt2_2 : float
        Transverse masses squared [GeV²].
    reverse : bool
        Two-body kinematics in 1+1 dimensions has two solutions; this one has the hadrons fly the other way.
    """
    wt2 = own * opposite
    # At threshold the difference may round to less than nothing.
    lam = np.sqrt(max(0.0, (wt2 - mt2_1 - mt2_2) ** 2 - 4.0 * mt2_1 * mt2_2))
    half = 0.5 * (1.0 + (mt2_1 - mt2_2) / wt2)
    shift = 0.5 * (-lam if reverse else lam) / wt2
    return (half + shift) * own, (half - shift) * opposite, lam


@register_jitable
def reverse_probability(lam: float | np.ndarray, b: float) -> float | np.ndarray:
    r"""How often the last two hadrons come out in reversed order, :math:`1 / (1 + e^{b\lambda})` as in Pythia.

    λ is `lam` [GeV²], and `b` that of `LundParams`.
    """
    return 1.0 / (1.0 + np.exp(np.minimum(50.0, b * lam)))


def log_order_probability(signed_lambda: ArrayLike, b: float) -> np.ndarray:
    """Logarithm of how often the last two hadrons come in the order they have.

    `signed_lambda` is λ where they are reversed, -λ where they are not [GeV²], and `b` that of `LundParams`.
    """
    return -np.logaddexp(0.0, b * np.asarray(signed_lambda))


def last_pair_lambda(hadrons: Hadrons) -> np.ndarray:
    """λ of the last two hadrons of each event, shape (N,) [GeV²]; see `reverse_probability`.

    The `hadrons` are in the order of making, as `hadtutor.hadronize_strings` gives them.
    """
    last = hadrons.offsets[1:] - 1
    e, pz = hadrons.e[last - 1] + hadrons.e[last], hadrons.pz[last - 1] + hadrons.pz[last]
    m1, m2 = (hadrons.e[i] ** 2 - hadrons.pz[i] ** 2 for i in (last - 1, last))
    return np.sqrt(np.maximum(0.0, (e**2 - pz**2 - m1 - m2) ** 2 - 4.0 * m1 * m2))
