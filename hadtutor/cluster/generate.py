"""All four steps in one call, in chunks, on threads."""

from collections.abc import Callable

import numpy as np

from .._support.bars import Progress
from .._support.cautions import warn
from .._support.checks import as_generator, takes_rng, whole
from .._support.parallel import in_threads, spawn
from ..events.clusters import Clusters
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..events.showers import GLUON, Showers
from ..params import ClusterParams
from .decay import check_law, decay_rows
from .formation import form
from .gluons import split_rows
from .heavy import fission_rows, name_of_laws, weights_of_parts
from .pairs import only_pions, pair_table
from .rows import Rows, as_params, check_kind, clusters_of, flavours_of, make_rows, momenta_at_rest

CHUNK = 1024  # events per chunk: each has a generator of its own, so the number of threads changes nothing


@takes_rng
def hadronize_clusters(
    showers: Showers, params: ClusterParams | None = None, *, rng: np.random.Generator | int, threads: int = 1,
    pions_only: bool = False, decay: Callable[[Clusters, np.random.Generator], np.ndarray] | None = None,
    parts: Callable[[np.ndarray], np.ndarray] | None = None, progress: bool = True,
) -> Sample:  # fmt: skip
    """Hadronize showers with the cluster model: split gluons, form clusters, break them, let them decay.

    Hadrons are those before decays, which `hadtutor.pythia.decay` can do; `histories` are the `Clusters`. An event that
    cannot be hadronized keeps its place without hadrons, `Clusters.unfinished` lists it, and a warning counts them.

    Parameters
    ----------
    showers : Showers
        N events at rest.
    params : ClusterParams, optional
        By default published values, see `ClusterParams`.
    rng : numpy.random.Generator or int
        Source of randomness; it is advanced by spawning, so two calls in a row give two samples.
    threads : int
        Threads to work on; the events are the same for any number.
    pions_only : bool
        Whether all hadrons are pions, see `decay_clusters`.
    decay : callable, optional
        Another law for the directions of decays, see `decay_clusters`. It is called once for every 1024 events, with
        `threads` above 1 from several threads at a time.
    parts : callable, optional
        Another law for the masses of what a heavy cluster breaks into, see `fission`.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range; if an event of the showers has a negative energy or does
        not add up to √s at rest; the event is named.

    Examples
    --------
    >>> import hadtutor as ht
    >>> hadronize_clusters(ht.datasets.load("pythia-showers-91")[:100], rng=1)
    Sample(100 events of clusters, 91.2 GeV, cl_max=3.53, cl_pow=1.85, p_split=0.914)
    """
    check_kind(showers, Showers, "hadronize_clusters")
    params, rng = as_params(params), as_generator(rng)
    whole(threads, "threads")
    check_law(decay)
    p, following = momenta_at_rest(showers), showers._following
    order, _ = showers.colour_order()
    flavours, pairs = flavours_of(params, weights_of_parts(parts)), pair_table(params, pions_only)
    starts = range(0, max(len(showers), 1), CHUNK)
    rngs = spawn(rng, len(starts))

    def job(k):
        """Offsets, momenta and codes of the hadrons of one chunk, offsets and rows of its clusters."""
        offsets = showers.offsets[starts[k] : starts[k] + CHUNK + 1]
        rows, parton = slice(offsets[0], offsets[-1]), showers.pid[offsets[0] : offsets[-1]]
        offsets, in_order, next_parton = (array - offsets[0] for array in (offsets, order[rows], following[rows]))
        offsets, momenta, pid, source = split_rows(
            rngs[k], offsets, in_order, np.ascontiguousarray(p[:, rows]), parton, flavours
        )
        quarks, antiquarks = np.flatnonzero(pid > 0), np.flatnonzero(pid < 0)
        # The antiquark whose parton has the anticolour of the quark's.
        antiquark_of = np.zeros(len(parton), np.int64)
        antiquark_of[source[antiquarks]] = antiquarks
        clusters = make_rows(len(quarks))
        form(momenta, pid, parton[source] != GLUON, quarks, antiquark_of[next_parton[source[quarks]]], clusters)
        offsets, clusters = fission_rows(rngs[k], offsets // 2, clusters, flavours)
        return *decay_rows(rngs[k], offsets, clusters, flavours, params, pairs, decay), offsets, clusters

    pieces = []
    with Progress(len(showers), "event", progress) as bar, in_threads(job, len(starts), threads) as results:
        for piece in results:
            pieces.append(piece)
            bar.update(len(piece[0]) - 1)
    hadrons, clusters = _joined(pieces)
    unfinished = clusters.unfinished
    if len(unfinished):
        warn(
            f"{len(unfinished)} of {len(showers)} events could not be hadronized and have no hadrons "
            f"(the first is event {unfinished[0]}); sample.histories.unfinished lists them"
        )
    law = name_of_laws(decay, parts)
    return Sample(hadrons, clusters, params, float(showers.energy), quark=None, law=law, partons=showers)


@takes_rng
def hadronize_like(
    sample: Sample, n_events: int, params: ClusterParams, *, rng: np.random.Generator | int, threads: int = 1,
    decay: Callable[[Clusters, np.random.Generator], np.ndarray] | None = None,
    parts: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Sample:  # fmt: skip
    """Other events from the showers of `sample`, of pions alone where it is: `n_events`, with `params`.

    `rng`, `threads`, `decay` and `parts` are as of `hadronize_clusters`. Where there are more events than showers,
    these are taken again from the first. A ValueError says that the sample does not know its showers, has no histories,
    or had another law, and none is given.
    """
    if sample.partons is None:
        raise ValueError("the sample does not know its showers; make one with hadronize_clusters, which keeps them")
    if sample.law is not None and decay is None and parts is None:
        raise ValueError(f"decays of the sample go by {sample.law}, which is not known here; make it without decay")
    if not isinstance(sample.histories, Clusters):
        raise ValueError("the sample has no histories of clusters; make one with hadronize_clusters")
    showers = sample.partons[np.arange(n_events) % len(sample.partons)]
    return hadronize_clusters(
        showers,
        params,
        rng=rng,
        threads=threads,
        pions_only=only_pions(sample.histories, sample.hadrons),
        decay=decay,
        parts=parts,
        progress=False,
    )


def _joined(pieces):
    """Hadrons and clusters of all chunks; columns are checked once, when they are whole."""
    hadron_offsets, p, pid, cluster_offsets, rows = zip(*pieces, strict=True)
    offsets = []
    for parts in (hadron_offsets, cluster_offsets):
        starts = np.cumsum([0] + [part[-1] for part in parts[:-1]])
        joined = [part[1:] + start for part, start in zip(parts, starts, strict=True)]
        offsets.append(np.concatenate([[0], *joined]).astype(np.int64))
    hadrons = Hadrons(offsets[0], *np.concatenate(p, axis=-1), np.concatenate(pid))
    columns = zip(*rows, strict=True)
    return hadrons, clusters_of(offsets[1], Rows(*(np.concatenate(column, axis=-1) for column in columns)))
