"""A fragmentation function of ours inside real Pythia: its `StringZ` draws from it, its strings stay as they are."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..lund.tabulated import LawTable, tabulate, z_tabulated
from ..particles import MASS_NEUTRAL_PION

LAW_FOR = ("light", "all")
HEAVIEST = {False: 2.0, True: 7.0}
"""No hadron of light flavours, or with a charm or bottom quark, is heavier [GeV]."""
LARGEST_CLOSED = 25.0
"""Largest mT² at which Pythia asks where a closed loop of gluons is cut open, its CLOSEDM2MAX [GeV²]."""


def make_fragmentation(pythia8mc: Any, law: Any, law_for: str, pt_width: float, seed: int) -> Any:
    """A model for `insert` that fragments as Pythia does, but for z, which follows `law`; see `start`.

    Parameters
    ----------
    pythia8mc : module
    law : callable, or anything with a method ``density``
    law_for : {"light", "all"}
    pt_width : float
        σ of the broadest breaks [GeV].
    seed : int
        Of the numbers that z is drawn with: a `StringZ` in Python does not reach those of its Pythia, and to keep them
        from outside would keep Pythia alive for ever.

    Raises
    ------
    TypeError, ValueError
        If `law` is no fragmentation function, as `hadtutor.lund.tabulate`, or `law_for` is neither of the two.
    """
    if law_for not in LAW_FOR:
        raise ValueError(f"law_for must be one of {list(LAW_FOR)}, got {law_for!r}")
    random = uniform_numbers(np.random.default_rng(seed)).__next__
    own = pythia8mc.StringZ()  # what Pythia itself would do

    def table_for(a: float = 0.0, c: float = 0.0, b: float = 0.0, mass: float = 0.0) -> LawTable:
        """That of the law times (1 - z)^a z^-c exp(-b mT²/z), for hadrons with a heavy quark of this mass, if any."""

        def density(z, mt2):
            with np.errstate(divide="ignore"):  # where the law is 0
                log_law = np.log(getattr(law, "density", law)(z, mt2))
            return np.exp(log_law + a * np.log1p(-z) - c * np.log(z) - b * mt2 / z)

        # No hadron's mT² is larger: its two quarks would have to weigh exp(-40).
        mt2_max = max(LARGEST_CLOSED, HEAVIEST[mass > 0.0] ** 2 + 2.0 * pt_width**2 * 40.0)
        return tabulate(density if a or b or c else law, max(mass, MASS_NEUTRAL_PION) ** 2, mt2_max)

    of_shape = {(0.0, 0.0, 0.0, 0.0): table_for()}  # at once, so that what is wrong with a law is found before a run

    def choose_table(old: int, new: int) -> LawTable | None:
        """What z of a hadron between these flavours is drawn from; None if Pythia's own law holds for them."""
        if law_for == "light":
            return of_shape[0.0, 0.0, 0.0, 0.0] if max(abs(old), abs(new)) <= 3 else None
        own.initFlav(old, new)
        own.initShape(1.0)
        quark = own.idFrag
        if quark > 5 or (quark == 4 and own.usePetersonC) or (quark == 5 and own.usePetersonB):
            return None
        # Both have exp(-b mT²/z) in common, so that of Pythia's law for these over that for light flavours is left.
        mass = {4: own.mc2, 5: own.mb2}.get(quark, 0.0) ** 0.5
        shape = own.aShape - own.aLund, own.cShape - 1.0, own.bNow - own.bLund, mass
        if shape not in of_shape:
            try:
                of_shape[shape] = table_for(*shape)
            except ValueError as error:
                raise ValueError(f'{error}, with the factor of flavours {old}, {new}; try law_for="light"') from error
        return of_shape[shape]

    class Selector(pythia8mc.StringZ):
        def __init__(self):
            super().__init__()
            self.tables = {}

        def zFrag(self, old, new=0, mt2=1.0):
            if (old, new) not in self.tables:
                self.tables[old, new] = choose_table(old, new)
            table = self.tables[old, new]
            return own.zFrag(old, new, mt2) if table is None else z_tabulated(random(), random(), mt2, *table)

    class Fragmentation(pythia8mc.FragmentationModel):
        def __init__(self):
            super().__init__()
            self.selector, self.strings = Selector(), pythia8mc.LundFragmentation()

        def begin(self, seed):
            """Go on with the random numbers of another `seed`."""
            nonlocal random
            random = uniform_numbers(np.random.default_rng(seed)).__next__

        def init(self, flavour, pt, z, modifier):
            for part in (own, self.selector, self.strings):
                self.registerSubObject(part)
            return own.init() and self.selector.init() and self.strings.init(flavour, pt, self.selector, modifier)

        def fragment(self, number, strings, event, diffractive=False, recoil=True):
            # Pythia asks each model for each string; before, with -1, for all at once: then none is left for its own.
            if number != -1:
                return True
            for k in range(strings.size()):
                strings.collect(k, event)
                if not self.strings.fragment(k, strings, event, diffractive, recoil):
                    return False
            strings.clear()
            return True

    return Fragmentation()


def uniform_numbers(rng: np.random.Generator) -> Iterator[float]:
    """Numbers between 0 and 1 of `rng` without end; one by one it would take ten times as long to ask for them."""
    while True:
        yield from rng.random(1024).tolist()


def insert(pythia: Any, model: Any) -> bool:
    """Let an initialised `pythia` fragment by this `model`; whether it could be initialised again.

    It must be kept alive as long as `pythia`, which has nothing but its address. Of its place in Pythia's list: after
    models of other strings, before Pythia's own.
    """
    return pythia.insertFragmentationPtr(2, model) and pythia.init()
