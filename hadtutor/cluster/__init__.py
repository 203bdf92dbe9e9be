r"""The cluster model: from the partons of a shower to hadrons, by way of colour-neutral clusters.

Four steps, each a function on flat arrays, and one that does them all, `hadronize_clusters`, as in Herwig
:cite:p:`bahr2008herwig`:

1. `split_gluons`: partons get constituent masses, and every gluon splits into a quark and an antiquark;
2. `form_clusters`: a quark and its colour neighbour, an antiquark, make a cluster :cite:p:`webber1984qcd`. The masses
   of clusters do not depend on the energy of the collision: preconfinement :cite:p:`amati1979preconfinement`;
3. `fission`: clusters that are too heavy break in two, along the direction of their quarks;
4. `decay_clusters`: each cluster decays into two hadrons; one that is too light becomes a single hadron.

Left out are colour reconnection, hadrons beyond the lowest multiplets, and single hadrons from clusters above
threshold.
"""

from .._support.optional import submodules
from .decay import Decayed, decay_clusters
from .formation import form_clusters
from .generate import hadronize_clusters, hadronize_like
from .gluons import split_gluons
from .heavy import fission
from .pairs import Hadron, PairTable, baryon_pairs, baryons, meson_pairs, mesons, pair_table

__all__ = [
    "Decayed", "Hadron", "PairTable", "baryon_pairs", "baryons", "decay_clusters", "fission", "form_clusters",
    "hadronize_clusters", "hadronize_like", "meson_pairs", "mesons", "pair_table", "split_gluons", "tensor",
]  # fmt: skip

__getattr__ = submodules(__name__, "tensor")  # torch is imported when it is asked for
