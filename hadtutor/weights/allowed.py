"""What may differ between base and target, and when weights are too uneven to be used."""

import math
import warnings

import numpy as np

from ..events.histories import Histories
from ..metrics.weighted import n_eff
from ..params import LundMixture, LundParams

FIXED = ("stop_mass", "stop_new_flavour", "stop_smear")
FEW = 100  # effective events, below which a weighted sample says next to nothing


def first_component(params):
    """Of a mixture the first component, else the parameters themselves."""
    return params.components[0] if isinstance(params, LundMixture) else params


def _warn(log_w, base, target):
    target = first_component(target)
    # ∫ f'²/f is finite only if the target falls off fast enough where the base does.
    limits = {
        "a": (target.a > 0.5 * (base.a - 1.0), f"a > {0.5 * (base.a - 1.0):.3g}"),
        "b": (target.b > 0.5 * base.b, f"b > {0.5 * base.b:.3g}"),
        "sigma_pt": (_widest(target) < math.sqrt(2.0) * _widest(base), f"a width < {math.sqrt(2) * _widest(base):.3g}"),
    }
    beyond = [f"{name} (the sample allows {limit})" for name, (fine, limit) in limits.items() if not fine]
    effective = n_eff(log_w)
    if beyond:
        warnings.warn(
            f"the weights have an infinite variance because of {', '.join(beyond)}: no number of events will do; "
            "go there in steps, or generate a sample nearer by",
            RuntimeWarning,
            stacklevel=3,
        )
    elif effective < min(FEW, 0.5 * len(log_w)):
        warnings.warn(
            f"{len(log_w)} weighted events are worth {effective:.0f}: generate more, or a sample nearer to the target",
            RuntimeWarning,
            stacklevel=3,
        )


def _widest(params):
    broad = params.enhanced_width if params.enhanced_fraction > 0 else 1.0
    return params.sigma_pt * max(broad, 1.0 if params.enhanced_fraction < 1 else 0.0)


def _checked(histories, base, target):
    if not isinstance(histories, Histories):
        raise TypeError(f"histories of string breaks are wanted, got {type(histories).__name__}")
    for name, params, kinds in (("base", base, LundParams), ("target", target, (LundParams, LundMixture))):
        if not isinstance(params, kinds):
            raise TypeError(f"{name} must be LundParams, got {type(params).__name__}; write LundParams(a=0.3)")
    base, target = base.validate(), target.validate()
    one = first_component(target)
    bad = ~(np.isfinite(histories.z + histories.mt2 + histories.px + histories.py) & (histories.mt2 > 0))
    if bad.any():
        event = histories.event_of_chain[histories.chain_of_break[np.argmax(bad)]]
        raise ValueError(f"the history of event {event} holds numbers that are not finite, or a mass of zero")
    differ = [name for name in FIXED if getattr(base, name) != getattr(one, name)]
    if differ:
        raise ValueError(
            f"the target differs in {', '.join(differ)}, which decides when a string ends; no weight can change that, "
            "generate a sample with it"
        )
    if base.u_fraction in (0.0, 1.0) and one.u_fraction != base.u_fraction:
        missing = "u" if base.u_fraction == 0.0 else "d"
        raise ValueError(
            f"the target is outside the support: it makes {missing} quarks, of which the sample has none "
            f"(u_fraction={base.u_fraction:g}); generate a sample with both"
        )
    return base, target
