"""One step of the chain of `hadtutor.strings.chain`, so that it can be proposed before it is taken.

The random numbers are the same, so that chains whose steps are taken as they come are equal to the bit. In one loop, as
there, strings break a sixth faster.
"""

from .._support.kernels import kernel
from ..events.histories import ACCEPTED, NO_FINAL_TWO, NO_ROOM
from ..lund.flavour import break_flavour, join_flavours, pion_mass2
from ..lund.last_pair import reverse_probability
from ..lund.transverse import break_pt

GOES_ON = 5  # how a step may end besides as a chain does


@kernel(forceinline=True)
def break_string(rng, geometry, string, law, table, params, w_min, ends, flavours, hadron_p, i):
    """A break that goes on, moves an end and makes hadron i, or the last two hadrons, i and i + 1.

    Returns how it ended; of the break the side, new flavour, code of its hadron, px and py of the new quark, mT² and z;
    of the last two the code of the second, λ, and whether they are reversed.
    """
    u = 2.0 * rng.random()
    side = 0 if u < 1.0 else 1
    old = flavours[side]
    u, new, pid = break_flavour(u - side, old, side, params.u_fraction)
    qx, qy = break_pt(rng, params)
    px, py = ends[2, side] + qx, ends[3, side] + qy
    mt2 = pion_mass2(pid) + px * px + py * py
    energy, mass2 = geometry.left(string, ends)
    stop = w_min * (1.0 + params.stop_smear * (2.0 * u - 1.0))
    if energy >= 0.0 and mass2 >= stop * stop:
        picked = law.pick(rng, mt2, (side, old, energy, mass2), table)
        z = 0.0
        while z == 0.0:
            z = law.attempt(rng, mt2, picked, table)
        room = geometry.take(string, side, z, qx, qy, px, py, mt2, ends, hadron_p, i)
        return GOES_ON if room else NO_ROOM, side, new, pid, qx, qy, mt2, z, 0, 0.0, False
    pid2 = join_flavours(rng.random(), new, flavours[1 - side], side)
    if pid2 == 0 or mass2 < 0.0:
        return NO_FINAL_TWO, side, new, pid, qx, qy, mt2, 0.0, 0, 0.0, False
    lam, reverse = 0.0, False
    for reverse in (False, True):
        lam = geometry.last_two(string, ends, side, qx, qy, pion_mass2(pid), pion_mass2(pid2), reverse, hadron_p, i)
        if lam < 0.0:
            return NO_FINAL_TWO, side, new, pid, qx, qy, mt2, 0.0, 0, 0.0, reverse
        if reverse or rng.random() >= reverse_probability(lam, params.b):
            break
    return ACCEPTED, side, new, pid, qx, qy, mt2, 0.0, pid2, lam, reverse
