"""A string that breaks, in space and time."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from .._support.checks import column, number
from ..kinematics.longitudinal import break_points, light_cone
from .style import COLOURS, LATEX_NAMES


def draw_breaking_string(
    ax: Axes, e: ArrayLike, pz: ArrayLike, pid: ArrayLike | None = None, tension: float = 1.0
) -> Axes:
    """Space-time picture of one event: string, breaks, and the hadrons that move off.

    Each hadron is shown as it is born: its two quarks start at neighbouring breaks and first meet where their
    light-cone paths cross; from there the hadron goes on in a straight line. It is drawn into `ax`.

    Parameters
    ----------
    e, pz, pid : array_like, shape (n,)
        Energies, momenta along z [GeV] and, for names, PDG codes, in order along the string from the +z end; n > 0.
    tension : float
        String tension κ [GeV/fm].
    """
    e, pz, tension = column(e, "e"), column(pz, "pz"), number(tension, "tension", 0.0, unit=" GeV/fm", above=True)
    pid = None if pid is None else column(pid, "pid", np.int64)
    lengths = [len(c) for c in (e, pz, pid) if c is not None]
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise ValueError(f"e, pz and pid must hold one number for each hadron of the event, got {lengths} numbers")
    t, z = break_points(e, pz, tension)
    plus, minus = light_cone(e, pz)
    # Light-cone coordinates of the breaks, with the turning points of the two ends added.
    x_plus = np.concatenate([[plus.sum() / tension], t + z, [0.0]])
    x_minus = np.concatenate([[0.0], t - z, [minus.sum() / tension]])

    def point(xp, xm):
        return 0.5 * (xp - xm), 0.5 * (xp + xm)  # z, t

    outline = [(0.0, 0.0), (x_plus[0], x_minus[0])]
    for k in range(len(e)):
        outline += [(x_plus[k], x_minus[k + 1]), (x_plus[k + 1], x_minus[k + 1])]
    ax.fill(*zip(*(point(*p) for p in outline), strict=True), color=COLOURS["orange"], alpha=0.3, lw=0, label="string")
    far = 1.25 * max(0.5 * (x_plus[:-1] + x_minus[1:]))
    for k in range(len(e)):
        # The right quark of the hadron comes from break k on x-, the left one from break k + 1 on x+.
        meet = point(x_plus[k], x_minus[k + 1])
        for corner in ((x_plus[k], x_minus[k]), (x_plus[k + 1], x_minus[k + 1])):
            ax.plot(*zip(point(*corner), meet, strict=True), color=COLOURS["blue"], lw=0.9)
        end = (meet[0] + (far - meet[1]) * pz[k] / e[k], far)
        if far > meet[1]:
            ax.plot(*zip(meet, end, strict=True), color=COLOURS["red"], lw=1.1)
            if pid is not None:
                # Neighbours in rapidity end close together: three heights keep their names apart.
                shift = (0, 2 + 11 * (k % 3))
                name = LATEX_NAMES.get(int(pid[k]), str(pid[k]))
                ax.annotate(name, end, shift, textcoords="offset points", ha="center", fontsize=9, color=COLOURS["red"])
    for corner in ((x_plus[0], x_minus[0]), (x_plus[-1], x_minus[-1])):
        ax.plot(*zip((0.0, 0.0), point(*corner), strict=True), color=COLOURS["blue"], lw=0.9)
    ax.plot([], [], color=COLOURS["blue"], lw=0.9, label="quarks")
    ax.plot([], [], color=COLOURS["red"], lw=1.1, label="hadrons")
    ax.plot(z, t, "o", ms=4, color=COLOURS["black"], label="breaks", zorder=3)
    ax.set(xlabel="$z$ [fm]", ylabel="$t$ [fm]", ylim=(0, 1.15 * far))
    ax.grid(False)
    return ax
