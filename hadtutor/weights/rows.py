r"""Weights of events of all flavours as a matrix times a vector, for fits.

The log density of a chain is a scalar product of numbers that the parameters do not know, such as :math:`\sum \ln(1-z)`
and :math:`\sum m_T^2/z`, with functions of the parameters alone. Where there is no such form it is made: ln N of each
kind of break is a Chebyshev series in :math:`\ln m_T^2`, and what depends on one parameter only, as transverse momenta
on σ and the order of the last pair on b, is interpolated between a few values of it. So all weights are one product of
a matrix with a vector, and their derivatives one with a narrow matrix.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from ..events.sample import Sample
from ..lund.all_flavours import KINDS, MASS_BOTTOM, MASS_CHARM, kind_of_break, log_area, powers
from ..lund.flavour_choice import NAMES, log_table
from ..lund.last_pair import log_order_probability
from ..lund.recorded import log_left
from ..lund.transverse import pt_log_density
from ..params import LundParams
from .acceptance import string_classes, well_filled
from .all_flavours import OF_Z, choices, choices_of_pairs
from .allowed import case_of, count_events
from .breaks import last_draws_known

FITTED = (*OF_Z, "sigma_pt", *NAMES)
"""Parameters that rows know."""
REACH = {"b": 2.0, "sigma_pt": 1.5}  # factors within which is interpolated
NODES = {"b": 12, "sigma_pt": 22}  # for that; errors of ln w are below 10⁻³
DEGREE = (18, 16, 16, 12, 10, 8, 10, 8)  # of the series for ln N, by kind; errors of ln w are below 10⁻⁵


class Block(NamedTuple):
    """Some columns, and what they are multiplied by."""

    columns: np.ndarray  # (C, n)
    factors: Callable[[LundParams], np.ndarray]  # of the parameters, (n,)


class EventRows:
    """The chains of a sample, ready to be weighted many times.

    Parameters
    ----------
    sample : Sample
        N events of all flavours with histories, such as `hadtutor.pythia.hadronize` records.
    names : sequence of str
        Which parameters will differ from those of the sample, of `FITTED`; the less, the smaller is the matrix.
    all_chains : bool
        Whether rejected chains have weights of their own, see `event_weights`.

    Raises
    ------
    TypeError, ValueError
        As `event_weights`; also if the histories are of pions, or a name is unknown.
    """

    def __init__(self, sample: Sample, names: Iterable[str] = FITTED, all_chains: bool = False) -> None:
        case = case_of(sample)
        h = case.histories
        if not h.all_flavours:
            raise ValueError("these histories are of u and d quarks and pions: LundWeights fits those")
        self.base, self.all_chains, self.n_events = case.base, all_chains, count_events(sample, h)
        if not last_draws_known(case):
            raise ValueError("the last draws of rejected chains are not recorded, so they have no weight")
        self.names = tuple(names)
        if unknown := set(self.names) - set(FITTED):
            raise ValueError(f"names must be of {', '.join(FITTED)}, got {', '.join(sorted(unknown))}")
        blocks = []
        if set(self.names) & set(OF_Z):
            blocks += [_powers(h), *_normalisations(h), _order(h, self.base)]
        if "sigma_pt" in self.names:
            blocks.append(_transverse(h, self.base))
        if set(self.names) & set(NAMES):
            blocks.append(_flavours(h))
        if not blocks:
            raise ValueError("names must hold at least one parameter, got none")
        self.factors = [block.factors for block in blocks]
        rows = np.concatenate([block.columns for block in blocks], axis=1).astype(np.float32)
        self.accepted, self.rejected = rows[h.accepted], rows[~h.accepted]
        self.event, self.event_of_rejected = h.event_of_chain[h.accepted], h.event_of_chain[~h.accepted]
        classes = well_filled(string_classes(sample), h.accepted)
        self.classes, self.classes_of_rejected = classes[h.accepted], classes[~h.accepted]
        self.log_acceptance = np.log(np.bincount(self.classes) / np.bincount(classes))
        self.at_base = self.vector(self.base)

    def vector(self, params: LundParams) -> np.ndarray:
        """What the rows are multiplied by at `params`, (R,); ValueError if b or σ is too far from those of the base."""
        return np.concatenate([factors(params) for factors in self.factors])

    def log_w(self, params: LundParams) -> np.ndarray:
        """Log weights of the events at `params`, (N,); see `event_weights`."""
        return self._weights(params)[0]

    def _weights(self, params):
        """Log weights of events, and for each accepted and rejected chain what it has to do with the acceptance."""
        vector = (self.vector(params) - self.at_base).astype(np.float32)
        accepted, rejected = (rows @ vector for rows in (self.accepted, self.rejected))
        log_w = np.bincount(self.event, accepted, self.n_events)
        if self.all_chains:
            return log_w + np.bincount(self.event_of_rejected, rejected, self.n_events), None
        w, w_rejected = np.exp(accepted.astype(float)), np.exp(rejected.astype(float))
        kept = np.bincount(self.classes, w)
        total = kept + np.bincount(self.classes_of_rejected, w_rejected, len(kept))
        ratio = np.log(kept / total) - self.log_acceptance
        log_w = log_w - np.bincount(self.event, ratio[self.classes], self.n_events)
        shares = w * (1.0 / kept - 1.0 / total)[self.classes], -w_rejected / total[self.classes_of_rejected]
        return log_w, shares

    def log_w_and_slopes(self, params: LundParams, change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log weights, (N,), and their derivatives, (N, P), where `change`, (R, P), is that of `vector`."""
        log_w, shares = self._weights(params)
        change = change.astype(np.float32)
        accepted, rejected = self.accepted @ change, self.rejected @ change
        slopes = _sums(self.event, accepted, self.n_events)
        if shares is None:
            return log_w, slopes + _sums(self.event_of_rejected, rejected, self.n_events)
        n = len(self.log_acceptance)
        of_ratio = _sums(self.classes, shares[0][:, None] * accepted, n)
        of_ratio += _sums(self.classes_of_rejected, shares[1][:, None] * rejected, n)
        return log_w, slopes - _sums(self.event, of_ratio[self.classes], self.n_events)


def _sums(event, columns, n_events):
    return np.stack([np.bincount(event, column, n_events) for column in columns.T], axis=1)


def _of_chains(h, columns):
    """Columns of breaks summed over each chain."""
    chain = h.chain_of_break
    return np.stack([np.bincount(chain, column, h.n_chains) for column in columns], axis=1)


def _powers(h):
    z, mt2 = h.z.astype(float), h.mt2.astype(float)
    old, new = (abs(codes) > 1000 for codes in (h.old, h.new))
    log_z, left = np.log(z), log_left(z)
    heavy = [log_z * (abs(h.old) == quark) for quark in (4, 5)]
    columns = [left, left * old, log_z * (old.astype(float) - new), *heavy, mt2 / z]

    def factors(p):
        of_heavy = -p.b * p.r_c * MASS_CHARM**2, -p.b * p.r_b * MASS_BOTTOM**2
        return np.array([p.a, p.a_extra_diquark, p.a_extra_diquark, *of_heavy, -p.b])

    return Block(_of_chains(h, columns), factors)


def _normalisations(h):
    kind, log_mt2 = kind_of_break(h.old, h.new), np.log(h.mt2.astype(float))
    chain = h.chain_of_break
    for k in range(len(KINDS)):
        some = np.flatnonzero(kind == k)
        if len(some) == 0:
            continue
        low, high = log_mt2[some].min() - 1e-3, log_mt2[some].max() + 1e-3
        x = (2.0 * log_mt2[some] - low - high) / (high - low)
        columns, previous, this = [], np.ones_like(x), x
        for _ in range(DEGREE[k] + 1):
            columns.append(np.bincount(chain[some], previous, h.n_chains))
            previous, this = this, 2.0 * x * this - previous

        def factors(p, k=k, middle=0.5 * (low + high), half=0.5 * (high - low)):
            a, c = (values[k] for values in powers(p))
            at = lambda u: log_area(a, c, p.b * np.exp(middle + half * u))
            return -np.polynomial.chebyshev.chebinterpolate(at, DEGREE[k])

        yield Block(np.stack(columns, axis=1), factors)


def _interpolated(name, of_value, base):
    """A block for what depends on the parameter `name` alone: `of_value` of it gives one number for each chain."""
    reach, n, centre = REACH[name], NODES[name], getattr(base, name)
    nodes = np.cos(np.pi * (np.arange(n) + 0.5) / n)  # of ln of the value over that of the base, in ln reach
    zero = of_value(centre)
    columns = np.stack([of_value(centre * reach**node) - zero for node in nodes], axis=1)

    def factors(params):
        x = np.log(getattr(params, name) / centre) / np.log(reach)
        if abs(x) > 1.0:
            raise ValueError(
                f"{name} = {getattr(params, name):.3g} is too far from {centre:.3g} of the sample: it reaches from "
                f"{centre / reach:.3g} to {centre * reach:.3g}; take a sample nearer by"
            )
        apart = x - nodes
        return np.array([np.prod(np.delete(apart, k) / (nodes[k] - np.delete(nodes, k))) for k in range(n)])

    return Block(columns, factors)


def _transverse(h, base):
    last = h.final_px.astype(float) ** 2 + h.final_py.astype(float) ** 2
    drawn = np.flatnonzero(np.isfinite(last))
    pt2 = np.concatenate([h.px.astype(float) ** 2 + h.py.astype(float) ** 2, last[drawn]])
    chain = np.concatenate([h.chain_of_break, drawn])
    of_value = lambda sigma: np.bincount(chain, pt_log_density(pt2, base.replace(sigma_pt=sigma)), h.n_chains)
    return _interpolated("sigma_pt", of_value, base)


def _order(h, base):
    known = np.isfinite(h.final_lambda)
    signed = np.where(h.final_reversed, h.final_lambda, -h.final_lambda)[known].astype(float)

    def of_value(b):
        log_p = np.zeros(h.n_chains)
        log_p[known] = log_order_probability(signed, b)
        return log_p

    return _interpolated("b", of_value, base)


def _flavours(h):
    rows, chain = choices(h), h.chain_of_break
    drawn, first, made, second = choices_of_pairs(h)
    rows, chain = np.concatenate([rows, first, second]), np.concatenate([chain, drawn, made])
    n = int(rows.max(initial=0)) + 1
    counts = np.bincount(chain * n + rows, minlength=h.n_chains * n).reshape(h.n_chains, n)
    used = np.flatnonzero(counts.any(axis=0))
    return Block(counts[:, used], lambda p: log_table(p)[used])
