"""The numbers the hadronization models are tuned with, their units and their published values.

They are checked when they are made, and never change. Square and round brackets say what is allowed: (0, 10] is above
0 and up to 10. The limits lie far beyond what describes data; past them a string can take for ever to become hadrons.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ._support.checks import number

__all__ = ["CLUSTER_LEP", "ClusterParams", "LundMixture", "LundParams"]

T = TypeVar("T", bound=type)


def _checked(check: Callable[[Any], Any]) -> Callable[[T], T]:
    """Decorator of a NamedTuple: whatever makes one goes through `check`, which takes it and returns its fields."""

    def decorate(kind: T) -> T:
        made: Any = kind  # for mypy, the methods of a NamedTuple stay as they are
        make = made.__new__

        @functools.wraps(make)  # for help and editors: its signature
        def __new__(cls: type, *args: Any, **named: Any) -> Any:
            return make(cls, *check(make(cls, *args, **named)))

        made.__new__ = __new__
        made._make = classmethod(lambda cls, values: cls(*values))
        made._replace = lambda self, **changes: type(self)(**(self._asdict() | changes))
        return kind

    return decorate


def _in_ranges(params: Any) -> list[float]:
    """Every parameter lies in its range: (low, high, unit, whether `low` itself is excluded)."""
    return [number(value, name, *_RANGES[name]) for name, value in params._asdict().items()]


_MASSES = ("gluon_mass", "mass_ud", "mass_s", "mass_c", "mass_b", "cl_max", "cl_max_charm", "cl_max_bottom")
_RANGES: dict[str, tuple] = {
    "a": (0.0, 20.0),
    "b": (1e-3, 1e3, " GeV^-2"),
    "sigma_pt": (0.0, 10.0, " GeV", True),
    "stop_mass": (0.0, 100.0, " GeV"),
    "stop_new_flavour": (0.0, 100.0),
    "stop_smear": (0.0, 0.5),
    "enhanced_width": (0.0, 10.0, "", True),
    **dict.fromkeys(("enhanced_fraction", "u_fraction"), (0.0, 1.0)),
    **dict.fromkeys(("a_extra_diquark", "r_c", "r_b"), (0.0, 2.0)),
    **dict.fromkeys(_MASSES, (0.0, 1000.0, " GeV", True)),
    **dict.fromkeys(("cl_pow", "cl_pow_charm", "cl_pow_bottom"), (0.0, 100.0, "", True)),
    # Above 3 nearly all draws of two masses that large do not fit into the cluster.
    **dict.fromkeys(("p_split", "p_split_charm", "p_split_bottom"), (0.0, 3.0, "", True)),
    **dict.fromkeys(("cl_smr", "cl_smr_charm", "cl_smr_bottom"), (0.0, 1000.0)),
    "cl_soft": (0.0, 100.0),
    **dict.fromkeys(("pwt_s", "pwt_diquark", "vector_wt", "dec_wt"), (0.0, 1000.0)),
    # Pythia's, without zero: what is never made has no weight at another value.
    **dict.fromkeys(("prob_s_to_ud", "prob_qq_to_q", "prob_sq_to_qq", "prob_qq1_to_qq0"), (0.0, 1.0, "", True)),
    **dict.fromkeys(("eta_sup", "eta_prime_sup", "popcorn_s_pair", "popcorn_s_meson"), (0.0, 1.0, "", True)),
    **dict.fromkeys([f"meson_{x}_vector" for x in ("ud", "s", "c", "b")], (0.0, 3.0, "", True)),
    "popcorn_rate": (0.0, 2.0, "", True),
}


def _mixed(mixture: "LundMixture") -> tuple:
    components, fractions = mixture
    if not (isinstance(components, (tuple, list)) and isinstance(fractions, (tuple, list))):
        raise TypeError("components and fractions must be tuples, LundMixture((one, other), (0.5, 0.5))")
    if len(components) != len(fractions) or not components:
        raise ValueError(f"a mixture wants one fraction for each component, got {len(fractions)} for {len(components)}")
    for component in components:
        if not isinstance(component, LundParams):
            raise TypeError(f"components must be LundParams, got {component!r} of type {type(component).__name__}")
        if component.replace(a=components[0].a, b=components[0].b) != components[0]:
            raise ValueError(f"components may differ in a and b alone, got {components[0]} and {component}")
    shares = tuple(number(x, f"fractions[{i}]", 0.0, 1.0, above=True) for i, x in enumerate(fractions))
    if abs(sum(shares) - 1.0) > 1e-9:
        raise ValueError(f"fractions must add up to 1, got {sum(shares):.6g}")
    return tuple(components), shares


def _splitting(params: "ClusterParams") -> list[float]:
    checked = _in_ranges(params)
    if checked[0] <= (least := 2.0 * checked[1]):
        why = "twice mass_ud, for a gluon to split into quarks"
        raise ValueError(f"gluon_mass must be > {least:g} GeV, {why}, got {params.gluon_mass!r}")
    return checked


@_checked(_in_ranges)
class LundParams(NamedTuple):
    r"""Parameters of the Lund string model, with the names and the defaults of the field.

    Defaults are the Monash 2013 tune :cite:p:`skands2014tuning` where it fixes a value; `stop_mass` is the value of
    Pythia before 8.316, the one behind the published machine-learning papers, and `enhanced_fraction` is zero as in
    the pion-string studies (Pythia's own default is 0.01).

    Attributes
    ----------
    a : float
        Power of :math:`(1-z)` in the fragmentation function (``StringZ:aLund``), [0, 20].
    b : float
        Slope in :math:`m_T^2/z` (``StringZ:bLund``), GeV\ :sup:`-2`, [0.001, 1000].
    sigma_pt : float
        Width of the quark transverse momentum (``StringPT:sigma``), GeV, (0, 10]; one string break gives
        :math:`\langle p_x^2 \rangle = \sigma^2/2`.
    stop_mass : float
        Mass at which a string ends, before quark masses are added (``StringFragmentation:stopMass``), GeV, [0, 100].
    stop_new_flavour : float
        Weight of the mass of the newly made quark in the stopping mass (``stopNewFlav``), [0, 100].
    stop_smear : float
        Relative half-width of the smearing of the stopping mass (``stopSmear``), [0, 0.5].
    enhanced_fraction : float
        Fraction of breaks with a broader transverse momentum (``StringPT:enhancedFraction``), [0, 1].
    enhanced_width : float
        Factor by which those breaks are broader (``StringPT:enhancedWidth``), (0, 10].
    u_fraction : float
        Fraction of u among new quarks, the others are d, [0, 1]; always 1/2 in Pythia.
    a_extra_diquark : float
        What is added to a where a diquark waits (``StringZ:aExtraDiquark``), [0, 2]. From here on it is about strings
        of all flavours, of real Pythia; u, d and pions know nothing of it.
    r_c, r_b : float
        How much of the area law's effect of its mass a charm or bottom quark feels (``rFactC``, ``rFactB``), [0, 2].
    prob_s_to_ud : float
        New s quarks over new u quarks, rho (``StringFlav:probStoUD``, and so on with the following), (0, 1].
    prob_qq_to_q : float
        New diquarks over new quarks, xi (``probQQtoQ``), (0, 1].
    prob_sq_to_qq : float
        Suppression of strange diquarks besides that of s quarks, x (``probSQtoQQ``), (0, 1].
    prob_qq1_to_qq0 : float
        Suppression of diquarks of spin 1; spin states count besides, y (``probQQ1toQQ0``), (0, 1].
    meson_ud_vector, meson_s_vector, meson_c_vector, meson_b_vector : float
        Vector over pseudoscalar mesons, by their heaviest quark (``mesonUDvector``, …), (0, 3].
    eta_sup, eta_prime_sup : float
        Fraction of eta and of eta' that is kept (``etaSup``, ``etaPrimeSup``), (0, 1].
    popcorn_rate : float
        Baryon pairs with a meson between them over half of those without, roughly (``popcornRate``), (0, 2].
    popcorn_s_pair, popcorn_s_meson : float
        Suppression of a shared s quark, and of a strange meson, in such pairs (``popcornSpair``, …), (0, 1].

    Examples
    --------
    >>> LundParams().replace(sigma_pt=-0.3)
    Traceback (most recent call last):
    ...
    ValueError: sigma_pt must be > 0 and <= 10 GeV, got -0.3
    """

    a: float = 0.68
    b: float = 0.98  # GeV^-2
    sigma_pt: float = 0.335  # GeV
    stop_mass: float = 1.0  # GeV
    stop_new_flavour: float = 2.0
    stop_smear: float = 0.2
    enhanced_fraction: float = 0.0
    enhanced_width: float = 2.0
    u_fraction: float = 0.5
    a_extra_diquark: float = 0.97
    r_c: float = 1.32
    r_b: float = 0.855
    prob_s_to_ud: float = 0.217
    prob_qq_to_q: float = 0.081
    prob_sq_to_qq: float = 0.915
    prob_qq1_to_qq0: float = 0.0275
    meson_ud_vector: float = 0.50
    meson_s_vector: float = 0.55
    meson_c_vector: float = 0.88
    meson_b_vector: float = 2.20
    eta_sup: float = 0.60
    eta_prime_sup: float = 0.12
    popcorn_rate: float = 0.5
    popcorn_s_pair: float = 0.9
    popcorn_s_meson: float = 0.5

    def replace(self, **changes: float) -> "LundParams":
        """The same with `changes`, new values by name, and checked again."""
        return self._replace(**changes)


@_checked(_mixed)
class LundMixture(NamedTuple):
    r"""Several Lund fragmentation functions, of which every break takes one at random.

    z follows :math:`f(z \mid m_T^2) = \sum_m p_m f_m(z \mid m_T^2)`, a sum of *normalised* functions, so a shape that
    no single pair (a, b) has: something to learn :cite:p:`butter2025iterative`. What is not z, such as transverse
    momenta, the order of the last two hadrons, and where a string ends, goes by the first component.

    Attributes
    ----------
    components : tuple of LundParams
        They may differ in a and b alone.
    fractions : tuple of float
        How often each is taken; (0, 1], and 1 in all.
    """

    components: tuple[LundParams, ...]
    fractions: tuple[float, ...]

    def replace(self, **changes: tuple) -> "LundMixture":
        """The same with `changes`, new values by name, and checked again."""
        return self._replace(**changes)


@_checked(_splitting)
class ClusterParams(NamedTuple):
    r"""Parameters of the cluster model :cite:p:`webber1984qcd`, with the values of Herwig and, in brackets, its names.

    Defaults for light quarks are those of Herwig 7.3 :cite:p:`bewick2024herwig`. Those for charm and bottom, and the
    weight of the decuplet, come from the file of defaults, ``Hadronization.in``, of an earlier release
    :cite:p:`bellm2016herwig`; the constituent masses of charm and bottom from HERWIG 6.5 :cite:p:`corcella2001herwig`.
    A cluster with a bottom quark goes by the values for bottom, another one with a charm quark by those for charm.

    Attributes
    ----------
    gluon_mass, mass_ud, mass_s, mass_c, mass_b : float
        Constituent masses (``g:ConstituentMass``), GeV, (0, 1000]; the gluon's more than twice `mass_ud`.
    cl_max, cl_max_charm, cl_max_bottom : float
        Largest mass of an unbroken cluster (``ClMaxLight``, …), before quark masses are added, GeV, (0, 1000].
    cl_pow, cl_pow_charm, cl_pow_bottom : float
        Power with which they are added (``ClPowLight``, …), (0, 100].
    p_split, p_split_charm, p_split_bottom : float
        Power P in the masses of the two parts of a cluster, density :math:`\propto (M_i - m_i)^{P-1}`
        (``PSplitLight``, …), (0, 3].
    cl_smr, cl_smr_charm, cl_smr_bottom : float
        Smearing of the direction of a hadron about its perturbative quark (``ClSmrLight``, …), [0, 1000]; 0 for none.
    pwt_s, pwt_diquark : float
        Weight of a new s quark and of diquarks, that of u and d being 1 (``PwtSquark``, ``PwtDIquark``), [0, 1000].
    vector_wt : float
        Weight of vector mesons, that of pseudoscalars being 1; spin states count besides (``Weight3S1``), [0, 1000].
    dec_wt : float
        Amplitude of decuplet baryons, that of the octet being 1; its square is the weight (``DecWt``), [0, 1000].
    cl_soft : float
        Softness of the threshold of fission, see `hadtutor.cluster.fission`, [0, 100]; 0 is the sharp threshold of the
        releases above. With any other value events can be weighted to another `cl_max` and `cl_pow`.
    """

    gluon_mass: float = 0.95  # GeV
    mass_ud: float = 0.325  # GeV
    mass_s: float = 0.45  # GeV
    mass_c: float = 1.55  # GeV
    mass_b: float = 4.95  # GeV
    cl_max: float = 3.53  # GeV
    cl_pow: float = 1.85
    p_split: float = 0.914
    cl_smr: float = 0.78
    cl_max_charm: float = 3.41  # GeV
    cl_pow_charm: float = 2.03
    p_split_charm: float = 1.15
    cl_smr_charm: float = 0.0
    cl_max_bottom: float = 2.61  # GeV
    cl_pow_bottom: float = 0.69
    p_split_bottom: float = 0.56
    cl_smr_bottom: float = 0.0
    pwt_s: float = 0.374
    pwt_diquark: float = 0.331
    vector_wt: float = 1.0
    dec_wt: float = 0.62
    cl_soft: float = 0.0

    def replace(self, **changes: float) -> "ClusterParams":
        """The same with `changes`, new values by name, and checked again."""
        return self._replace(**changes)


CLUSTER_LEP = ClusterParams(pwt_s=0.30, pwt_diquark=0.90, vector_wt=0.31)
"""Published values, but for three weights that bring the numbers of π±, K± and p in the packaged showers to LEP's.

The fit is in the book's chapter on two models and LEP. It belongs to showers of Pythia and to hadrons of the lowest
multiplets: the published values were tuned with another shower and more hadrons.
"""


def params_from(values: dict[str, Any]) -> LundParams | LundMixture | ClusterParams:
    """Parameters from what their ``_asdict()`` has become in the header of a file."""
    if "components" in values:
        return LundMixture(tuple(LundParams(*v) for v in values["components"]), tuple(values["fractions"]))
    return (ClusterParams if "gluon_mass" in values else LundParams)(**values)
