"""All four steps in one call, in chunks, on threads."""

import warnings

import numpy as np

from .._support.bars import Progress
from .._support.checks import whole
from .._support.parallel import in_threads, spawn
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..events.showers import GLUON, Showers
from .decay import _check_decay, _decay_rows, _pairs
from .formation import _form
from .gluons import _split_gluons
from .heavy import _fission_rows
from .rows import Rows, _checked, _checked_momenta, _clusters, _flavours, _make_rows, _of_kind

CHUNK = 1024  # events per chunk: each has a generator of its own, so the number of threads changes nothing


def hadronize_clusters(showers, params=None, rng=None, threads=1, pions_only=False, progress=True, decay=None):
    """Hadronize showers with the cluster model: split gluons, form clusters, break them, let them decay.

    Parameters
    ----------
    showers : Showers
        N events at rest.
    params : ClusterParams, optional
        By default published values, see `ClusterParams`.
    rng : numpy.random.Generator
        Source of randomness; it is advanced by spawning, so two calls in a row give two samples.
    threads : int
        Threads to work on; the events are the same for any number.
    pions_only : bool
        Whether all hadrons are pions, see `decay_clusters`.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.
    decay : callable, optional
        Another law for the directions of decays, see `decay_clusters`. It is called once for every 1024 events, with
        `threads` above 1 from several threads at a time.

    Returns
    -------
    Sample
        Hadrons before their decays, which `hadtutor.pythia.decay` can do, and as `histories` the `Clusters`. Nothing
        is lost: an event that cannot be hadronized keeps its place without hadrons, `Clusters.unfinished` lists it, and
        a warning counts them.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range; if an event of the showers has a negative energy or does
        not add up to √s at rest; the event is named.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:100]
    >>> sample = hadronize_clusters(showers, rng=np.random.default_rng(1))
    >>> sample
    Sample(100 events of clusters, 91.2 GeV, cl_max=3.53, cl_pow=1.85, p_split=0.914)
    >>> bool(abs(sample.hadrons.e.sum() - 100 * 91.2) < 1e-6)
    True
    """
    _of_kind(showers, Showers, "hadronize_clusters")
    params = _checked(params, rng)
    whole(threads, "threads")
    _check_decay(decay)
    p, following = _checked_momenta(showers), showers._following()
    order, _ = showers.colour_order()
    flavours, pairs = _flavours(params), _pairs(params, pions_only)
    starts = range(0, max(len(showers), 1), CHUNK)
    rngs = spawn(rng, len(starts))

    def job(k):
        offsets = showers.offsets[starts[k] : starts[k] + CHUNK + 1]
        rows = slice(offsets[0], offsets[-1])
        local = (array - offsets[0] for array in (offsets, order[rows], following[rows]))
        return _hadronize_chunk(
            rngs[k], *local, np.ascontiguousarray(p[:, rows]), showers.pid[rows], params, flavours, pairs, decay
        )

    pieces = []
    with Progress(len(showers), "event", progress) as bar:
        for k, piece in enumerate(in_threads(job, len(starts), threads)):
            pieces.append(piece)
            bar.update(min(CHUNK, len(showers) - starts[k]))
    sample = Sample(*_joined(pieces), params, float(showers.energy), quark=None)
    unfinished = sample.histories.unfinished
    if len(unfinished):
        warnings.warn(
            f"{len(unfinished)} of {len(showers)} events could not be hadronized and have no hadrons "
            f"(the first is event {unfinished[0]}); sample.histories.unfinished lists them",
            RuntimeWarning,
            stacklevel=2,
        )
    return sample


def _hadronize_chunk(rng, offsets, order, following, p, pid, params, flavours, pairs, decay):
    """Hadrons (offsets, p, pid) and clusters (offsets, rows) of one chunk."""
    parton = pid
    offsets, p, pid, source = _split_gluons(rng, offsets, order, p, parton, flavours)
    quarks, antiquarks = np.flatnonzero(pid > 0), np.flatnonzero(pid < 0)
    # The antiquark whose parton has the anticolour of the quark's.
    antiquark_of = np.zeros(len(following), np.int64)
    antiquark_of[source[antiquarks]] = antiquarks
    rows = _make_rows(len(quarks))
    _form(p, pid, parton[source] != GLUON, quarks, antiquark_of[following[source[quarks]]], rows)
    offsets, rows = _fission_rows(rng, offsets // 2, rows, flavours)
    hadrons = _decay_rows(rng, offsets, rows, flavours, params, pairs, decay)
    return hadrons, (offsets, rows)


def _joined(pieces):
    """Hadrons and clusters of all chunks."""
    hadrons, clusters = zip(*pieces, strict=True)

    def join_offsets(parts):
        starts = np.cumsum([0] + [part[-1] for part in parts])
        return np.concatenate([[0], *(part[1:] + start for part, start in zip(parts, starts))]).astype(np.int64)

    p, pid = (np.concatenate([h[i] for h in hadrons], axis=-1) for i in (1, 2))
    rows = Rows(*(np.concatenate(columns, axis=-1) for columns in zip(*(rows for _, rows in clusters), strict=True)))
    return (
        Hadrons(join_offsets([h[0] for h in hadrons]), *p, pid),
        _clusters(join_offsets([offsets for offsets, _ in clusters]), rows),
    )
