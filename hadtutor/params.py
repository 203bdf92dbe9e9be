"""The numbers the hadronization models are tuned with, their units and their published values."""

import math
from typing import NamedTuple

import numpy as np

__all__ = ["CLUSTER_LEP", "ClusterParams", "LundMixture", "LundParams"]


class LundParams(NamedTuple):
    r"""Parameters of the Lund string model, with the names and the defaults of the field.

    Defaults are the Monash 2013 tune :cite:p:`skands2014tuning` where it fixes a value; `stop_mass` is the
    value of Pythia before 8.316, the one behind the published machine-learning papers, and
    `enhanced_fraction` is zero as in the pion-string studies (Pythia's own default is 0.01).

    Attributes
    ----------
    a : float
        Power of :math:`(1-z)` in the fragmentation function (``StringZ:aLund``), dimensionless, >= 0.
    b : float
        Exponential slope in :math:`m_T^2/z` (``StringZ:bLund``), GeV\ :sup:`-2`, > 0.
    sigma_pt : float
        Width of the quark transverse momentum (``StringPT:sigma``), GeV, > 0; one string break gives
        :math:`\langle p_x^2 \rangle = \sigma^2/2`.
    stop_mass : float
        Mass at which the iteration stops, before quark masses are added
        (``StringFragmentation:stopMass``), GeV, >= 0.
    stop_new_flavour : float
        Weight of the mass of the newly made quark in the stopping mass (``stopNewFlav``), >= 0.
    stop_smear : float
        Relative half-width of the smearing of the stopping mass (``stopSmear``), between 0 and 0.5.
    enhanced_fraction : float
        Fraction of breaks with a broader transverse momentum (``StringPT:enhancedFraction``).
    enhanced_width : float
        Factor by which those breaks are broader (``StringPT:enhancedWidth``), > 0.
    u_fraction : float
        Fraction of u among new quarks, the others are d, between 0 and 1; always 1/2 in Pythia.

    Examples
    --------
    >>> LundParams(a=0.3).b
    0.98
    >>> LundParams()._replace(sigma_pt=-0.3).validate()
    Traceback (most recent call last):
    ...
    ValueError: sigma_pt must be > 0 GeV, got -0.3
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

    def validate(self):
        """Return the parameters as floats, or say which one is wrong and why.

        Returns
        -------
        LundParams

        Raises
        ------
        TypeError
            If a parameter is not a real number.
        ValueError
            If a parameter is not finite or lies outside its range.
        """
        return LundParams(**_checked(self, _LUND_RANGES))


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
        How often each is taken; above zero, and 1 in all.

    Examples
    --------
    >>> half_and_half = LundMixture((LundParams(a=0.68), LundParams(a=0.30)), (0.5, 0.5))
    >>> half_and_half.validate().fractions
    (0.5, 0.5)
    """

    components: tuple
    fractions: tuple

    def validate(self):
        """Return the mixture with numbers as floats, or say what is wrong with it.

        Returns
        -------
        LundMixture

        Raises
        ------
        TypeError
            If a component is no LundParams, or a fraction no number.
        ValueError
            If there is no component or not one fraction for each, if a parameter is out of range or a fraction not
            above zero, if the fractions do not add up to 1, or if components differ in more than a and b.
        """
        if not isinstance(self.components, (tuple, list)) or not isinstance(self.fractions, (tuple, list)):
            raise TypeError("components and fractions must be tuples, LundMixture((one, other), (0.5, 0.5))")
        if len(self.components) != len(self.fractions) or not self.components:
            raise ValueError(
                f"a mixture wants one fraction for each component, got {len(self.fractions)} for {len(self.components)}"
            )
        for component in self.components:
            if not isinstance(component, LundParams):
                raise TypeError(f"components must be LundParams, got {component!r} of type {type(component).__name__}")
        components = tuple(component.validate() for component in self.components)
        for component in components[1:]:
            if component._replace(a=components[0].a, b=components[0].b) != components[0]:
                raise ValueError(f"components may differ in a and b alone, got {components[0]} and {component}")
        one = {f"fractions[{i}]": (0.0, 1.0, "", True) for i in range(len(self.fractions))}
        fractions = tuple(_checked_numbers(zip(one, self.fractions, strict=True), one).values())
        if abs(sum(fractions) - 1.0) > 1e-9:
            raise ValueError(f"fractions must add up to 1, got {sum(fractions):.6g}")
        return LundMixture(components, fractions)


class ClusterParams(NamedTuple):
    r"""Parameters of the cluster model :cite:p:`webber1984qcd`, with the values of Herwig and, in brackets, its names.

    Defaults for light quarks are those of Herwig 7.3 :cite:p:`bewick2024herwig`. Those for charm and bottom, and the
    weight of the decuplet, come from the file of defaults, ``Hadronization.in``, of an earlier release
    :cite:p:`bellm2016herwig`; the constituent masses of charm and bottom from HERWIG 6.5 :cite:p:`corcella2001herwig`.
    A cluster with a bottom quark goes by the values for bottom, another one with a charm quark by those for charm.

    Attributes
    ----------
    gluon_mass : float
        Constituent mass of the gluon (``g:ConstituentMass``), GeV, more than twice `mass_ud`.
    mass_ud, mass_s, mass_c, mass_b : float
        Constituent masses of the quarks, GeV, > 0.
    cl_max, cl_max_charm, cl_max_bottom : float
        Largest mass of a cluster that does not break (``ClMaxLight``, ``ClMaxCharm``, ``ClMaxBottom``), before quark
        masses are added, GeV, > 0.
    cl_pow, cl_pow_charm, cl_pow_bottom : float
        Power with which they are added (``ClPowLight``, …), > 0.
    p_split, p_split_charm, p_split_bottom : float
        Power P in the masses of the two parts of a cluster, density :math:`\propto (M_i - m_i)^{P-1}`
        (``PSplitLight``, …), > 0 and <= 3.
    cl_smr, cl_smr_charm, cl_smr_bottom : float
        Smearing of the direction of a hadron about its perturbative quark (``ClSmrLight``, …), >= 0; 0 for none.
    pwt_s : float
        Weight of a new s quark, that of u and d being 1 (``PwtSquark``), >= 0.
    pwt_diquark : float
        Weight of diquarks, that of quarks being 1 (``PwtDIquark``), >= 0.
    vector_wt : float
        Weight of vector mesons, that of pseudoscalars being 1; spin states count besides (``Weight3S1``), >= 0.
    dec_wt : float
        Amplitude of decuplet baryons, that of the octet being 1; its square is the weight (``DecWt``), >= 0.

    Examples
    --------
    >>> ClusterParams(cl_max=3.0).cl_pow
    1.85
    >>> ClusterParams(cl_max=0).validate()
    Traceback (most recent call last):
    ...
    ValueError: cl_max must be > 0 GeV, got 0
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

    def validate(self):
        """Return the parameters as floats, or say which one is wrong and why.

        Returns
        -------
        ClusterParams

        Raises
        ------
        TypeError
            If a parameter is not a real number.
        ValueError
            If a parameter is not finite or lies outside its range, or a gluon is too light to split.
        """
        params = ClusterParams(**_checked(self, _CLUSTER_RANGES))
        if params.gluon_mass <= 2.0 * params.mass_ud:
            raise ValueError(
                f"gluon_mass must be > {2.0 * params.mass_ud:g} GeV, twice mass_ud, for a gluon to split into quarks, "
                f"got {self.gluon_mass!r}"
            )
        return params


CLUSTER_LEP = ClusterParams(pwt_s=0.30, pwt_diquark=0.90, vector_wt=0.31)
"""Published values, but for three weights that bring the numbers of π±, K± and p in the packaged showers to LEP's.

The fit is in chapter 4 of the book. It belongs to showers of Pythia and to hadrons of the lowest multiplets: the
published values were tuned with another shower and more hadrons.
"""


def _checked(params, ranges):
    """The parameters as a dictionary of floats, each in its range."""
    return _checked_numbers(params._asdict().items(), ranges)


def _checked_numbers(named, ranges):
    numbers = {}
    for name, value in named:
        is_number = hasattr(value, "__float__") and np.ndim(value) == 0
        if isinstance(value, (bool, np.bool_, str, bytes)) or not is_number:
            raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
        numbers[name] = float(value)
        low, high, unit, strict = ranges[name]
        inside = low < numbers[name] <= high if strict else low <= numbers[name] <= high
        if not (math.isfinite(numbers[name]) and inside):
            wanted = f"{'>' if strict else '>='} {low:g}"
            if math.isfinite(high):
                wanted += f" and <= {high:g}"
            elif not math.isfinite(numbers[name]):
                wanted += " and finite"
            raise ValueError(f"{name} must be {wanted}{unit}, got {value!r}")
    return numbers


# name: (low, high, unit, whether `low` itself is excluded)
_LUND_RANGES = {
    "a": (0.0, 20.0, "", False),
    "b": (1e-3, 1e3, " GeV^-2", False),
    "sigma_pt": (0.0, math.inf, " GeV", True),
    "stop_mass": (0.0, math.inf, " GeV", False),
    "stop_new_flavour": (0.0, math.inf, "", False),
    "stop_smear": (0.0, 0.5, "", False),
    "enhanced_fraction": (0.0, 1.0, "", False),
    "enhanced_width": (0.0, math.inf, "", True),
    "u_fraction": (0.0, 1.0, "", False),
}
_MASSES = ("gluon_mass", "mass_ud", "mass_s", "mass_c", "mass_b", "cl_max", "cl_max_charm", "cl_max_bottom")
_WEIGHTS = ("pwt_s", "pwt_diquark", "vector_wt", "dec_wt")
_CLUSTER_RANGES = {
    **dict.fromkeys(_MASSES, (0.0, math.inf, " GeV", True)),
    **dict.fromkeys(("cl_pow", "cl_pow_charm", "cl_pow_bottom"), (0.0, 100.0, "", True)),
    # Above 3 nearly all draws of two masses that large do not fit into the cluster.
    **dict.fromkeys(("p_split", "p_split_charm", "p_split_bottom"), (0.0, 3.0, "", True)),
    **dict.fromkeys(("cl_smr", "cl_smr_charm", "cl_smr_bottom"), (0.0, math.inf, "", False)),
    **dict.fromkeys(_WEIGHTS, (0.0, 1000.0, "", False)),
}
