"""The law of flavours, against the class of real Pythia that draws them."""

import functools
from collections import Counter

import numpy as np
import pytest
import pythia8mc
from checks import ALPHA
from scipy import stats

from hadtutor import LundParams
from hadtutor.lund.flavour_choice import NAMES as PARAMETERS
from hadtutor.lund.flavour_choice import choice_index, log_table, pair_index, table_gradient

NAMES = {
    "prob_s_to_ud": "probStoUD", "prob_qq_to_q": "probQQtoQ", "prob_sq_to_qq": "probSQtoQQ",
    "prob_qq1_to_qq0": "probQQ1toQQ0", "meson_ud_vector": "mesonUDvector", "meson_s_vector": "mesonSvector",
    "meson_c_vector": "mesonCvector", "meson_b_vector": "mesonBvector", "eta_sup": "etaSup",
    "eta_prime_sup": "etaPrimeSup", "popcorn_rate": "popcornRate", "popcorn_s_pair": "popcornSpair",
    "popcorn_s_meson": "popcornSmeson",
}  # fmt: skip
MONASH = LundParams()


def values(params):
    return {name: getattr(params, name) for name in PARAMETERS}


def at(*numbers):
    return MONASH.replace(**dict(zip(PARAMETERS, numbers)))


POINTS = {
    "Monash": MONASH,
    "near": at(0.25, 0.10, 0.80, 0.040, 0.60, 0.45, 1.1, 1.8, 0.50, 0.08),
    "far": at(0.60, 0.40, 0.40, 0.300, 1.50, 1.20, 0.4, 0.9, 0.95, 0.70, 1.3, 0.5, 0.8),
}
TARGETS = [
    {"prob_s_to_ud": 0.19}, {"prob_s_to_ud": 0.25}, {"prob_qq_to_q": 0.07}, {"prob_qq_to_q": 0.10},
    {"prob_sq_to_qq": 0.8}, {"prob_qq1_to_qq0": 0.04}, {"meson_ud_vector": 0.6}, {"meson_s_vector": 0.7},
    {"meson_c_vector": 1.1}, {"meson_b_vector": 1.8}, {"eta_sup": 0.7}, {"eta_prime_sup": 0.08},
    values(POINTS["near"]),
]  # fmt: skip
# id, and quarks of a diquark with a popcorn meson to come: popcorn, vertex
QUARKS = [(code, 0, 0) for code in (2, -1, 3, -4, 5)]
BARYONS = [(code, 0, 0) for code in (2101, -2103, 2203, -1103, 3101, 3203, 3303)]
MESONS = [(2203, 2, 2), (-2101, 2, 1), (2103, 1, 2), (3201, 2, 3), (-3103, 3, 1), (3303, 3, 3)]
PAIRS = [(2, -2), (1, -1), (2, -1), (3, -2), (-3, 3), (4, -1), (-4, 3), (5, -2), (-5, 3), (2, 2101), (3203, 4)]


@functools.cache
def selector(point):
    """Pythia's own choice of flavours, and what its numbers come from."""
    generator = pythia8mc.Pythia("", False)
    settings = ["Print:quiet = on", "ProcessLevel:all = off", "Random:setSeed = on", "Random:seed = 5"]
    for line in settings + [f"StringFlav:{NAMES[name]} = {x}" for name, x in values(POINTS[point]).items()]:
        assert generator.readString(line)
    assert generator.init()
    flavours = pythia8mc.StringFlav()
    flavours.initInfoPtr(generator.infoPython())
    flavours.init()
    return flavours, generator


def waiting(code, popcorn, vertex):
    return pythia8mc.FlavContainer(code, 1, popcorn > 0, popcorn, vertex)


@functools.cache
def breaks(point, old, n=60_000):
    """Rows of breaks at an old flavour, (N, 5) as `choice_index` takes them, and how often each came."""
    flavours, _ = selector(point)
    end, found = waiting(*old), Counter()
    while found.total() < n:
        new = flavours.pick(end)
        if hadron := flavours.combine(end, new):
            found[old[0], new.id, hadron, old[1], new.nPop * new.idPop] += 1
    return np.array(list(found)), np.array(list(found.values()))


@functools.cache
def pairs(point, pair, n=60_000):
    flavours, _ = selector(point)
    one, other = (waiting(code, 0, 0) for code in pair)
    found = Counter(next(filter(None, (flavours.combine(one, other) for _ in range(10))), 0) for _ in range(n))
    return np.array([(*pair, hadron) for hadron in found]), np.array(list(found.values()))


def rows_and_counts(point, old):
    made, counts = breaks(point, old) if len(old) == 3 else pairs(point, old)
    return (choice_index if len(old) == 3 else pair_index)(*made.T), counts


ALL = [*QUARKS, *BARYONS, *MESONS, *PAIRS]


def every(old):
    """All rows of what waited, from draws at all points."""
    return np.unique(np.concatenate([rows_and_counts(point, old)[0] for point in POINTS]))


@pytest.mark.parametrize("old", ALL, ids=str)
@pytest.mark.parametrize("point", POINTS)
def test_pythia_draws_by_the_table(point, old):
    """Chi-square over all rows of 60 000 breaks: p > 1e-3 / number of tables; rows of fewer than 10 taken together."""
    rows, counts = rows_and_counts(point, old)
    expected = np.exp(log_table(POINTS[point])) * counts.sum()
    found = np.bincount(rows, counts, len(expected))
    mine = every(old)
    assert abs(expected[mine].sum() / counts.sum() - 1.0) < 1e-3, "rows of this flavour"
    few = mine[expected[mine] < 10]
    many = mine[expected[mine] >= 10]
    found, expected = (np.append(x[many], x[few].sum()) for x in (found, expected))
    expected[-1] = max(0.0, counts.sum() - expected[:-1].sum())
    if expected[-1] < 5:
        found, expected = found[:-1], expected[:-1] * found[:-1].sum() / expected[:-1].sum()
    p_value = stats.chisquare(found, expected).pvalue if len(found) > 1 else 1.0
    assert p_value > ALPHA / (len(ALL) * len(POINTS))


@pytest.mark.parametrize("old", ALL, ids=str)
def test_what_shares_a_row_does_not_depend_on_the_parameters(old):
    """Hadrons and charges of each row at Monash and far away: chi-square p > 1e-3 / number of tables."""
    index = choice_index if len(old) == 3 else pair_index
    found = {}
    for side, point in enumerate(("Monash", "far")):
        made, counts = breaks(point, old) if len(old) == 3 else pairs(point, old)
        for row, codes, count in zip(index(*made.T), made.tolist(), counts, strict=True):
            found.setdefault(row, {}).setdefault(tuple(codes), [0, 0])[side] = count
    chi2, n_free = 0.0, 0
    for kinds in found.values():
        table = np.array([both for both in kinds.values() if sum(both) >= 20])
        if len(table) > 1 and np.all(table.sum(axis=0) > 0):
            result = stats.chi2_contingency(table, correction=False)
            chi2, n_free = chi2 + result.statistic, n_free + result.dof
    assert n_free == 0 or stats.chi2.sf(chi2, n_free) > ALPHA / len(ALL)


@pytest.mark.parametrize("old", ALL, ids=str)
def test_weights_of_breaks_average_to_one(old):
    """From Monash to other values: pulls below 4."""
    rows, counts = rows_and_counts("Monash", old)
    for target in TARGETS:
        w = np.exp((log_table(MONASH.replace(**target)) - log_table(MONASH))[rows])
        mean = np.average(w, weights=counts)
        error = np.sqrt(np.average((w - mean) ** 2, weights=counts) / counts.sum())
        assert abs(mean - 1.0) <= 4 * error + 1e-12, target


@pytest.mark.parametrize("point", POINTS)
def test_ratios_of_diquarks_are_pythias(point):
    """Those that Pythia shows, to rounding: spin 1 over spin 0, and with over without a popcorn meson."""
    p, (flavours, _) = np.exp(log_table(POINTS[point])), selector(point)

    def share(old, new, hadron, *popcorn):
        return p[choice_index(old, new, hadron, *popcorn)[0]]

    kinds = ((31, 3), (31, 1), (21, 2))  # su, us, ud
    ratios = [[share(4, 100 * k + 3, 4122, 0, n * q) / share(4, 100 * k + 1, 4122, 0, n * q) for k, q in kinds]
              for n in (0, 1)]  # fmt: skip
    ratios += [[share(100 * k + 3, 100 * k + 3, 113, q) / share(100 * k + 3, 100 * k + 1, 113, q) for k, q in kinds]]
    pythias = [[flavours.getFlavourSpinRatios(case, k) for k in (4, 5, 6)] for case in range(3)]
    np.testing.assert_allclose(ratios, pythias, rtol=1e-12)

    kept = {2203: 1 / 2, 3303: 1 / 2}  # by SU(6), of those drawn at c; of diquarks of two flavours 2/3
    diquarks = [(2101, 2), (2103, 2), (2203, 2), (3201, 2), (3203, 2), (3303, 3)]
    direct = sum(share(4, code, 4122) / kept.get(code, 2 / 3) for code, _ in diquarks)
    both = [*diquarks, (3201, 3), (3203, 3)]  # us and su
    popcorn = sum(share(4, code, 4122, 0, quark) / kept.get(code, 2 / 3) for code, quark in both)
    assert popcorn / direct == pytest.approx(flavours.popFrac, rel=1e-12)


@pytest.mark.parametrize("point", POINTS)
def test_probabilities_of_what_waits_add_up_to_one(point):
    """Each of the 22 things that wait at a string end or for a last hadron."""
    assert np.exp(log_table(POINTS[point])).sum() == pytest.approx(22.0, rel=1e-12)


def test_the_gradient_is_that_of_the_table():
    """Against central differences, 1e-7 of the largest."""
    for k, (name, value) in enumerate(values(MONASH).items()):
        up, down = (log_table(MONASH.replace(**{name: value * (1 + step)})) for step in (1e-6, -1e-6))
        gradient = table_gradient(MONASH)[k]
        np.testing.assert_allclose((up - down) / (2e-6 * value), gradient, atol=1e-7 * np.abs(gradient).max())


def test_u_is_like_d_and_particles_are_like_antiparticles():
    for old in [*QUARKS, *BARYONS, *MESONS]:
        code, new, hadron, *popcorn = breaks("Monash", old)[0].T
        assert np.array_equal(choice_index(-code, -new, -hadron, *popcorn), choice_index(code, new, hadron, *popcorn))
    u = choice_index([2, 2, 2, 2203, 3203], [-1, -2, 2101, 1, 2], [211, 223, 2212, 2214, 3222])
    d = choice_index([1, 1, 1, 1103, 3103], [-2, -1, 2101, 2, 1], [-211, 223, 2112, 2114, 3112])
    assert np.array_equal(u, d)


@pytest.mark.parametrize(
    "codes",
    [
        (2, -1, 2212),  # a quark and an antiquark make no baryon
        (2, 2101, 211),
        (2, -4, 421),  # strings make no c
        (2, 21, 211),
        (4101, 2, 4112),  # the end of a string
        (2101, 2103, 111),  # which popcorn quark?
        (2101, 2103, 111, 3),  # not in it
        (2101, 3303, 311, 2),
        (2, -1, 20213),  # excited
        (3, -3, 111),
        (0, 1, 111),
    ],
)
def test_what_is_no_break_of_a_string_is_refused(codes):
    good, bad = (2, -1, 211, 0, 0), (*codes, 0, 0)[:5]
    with pytest.raises(ValueError, match="row 1 is no break of a string"):
        choice_index(*np.array([good, bad]).T)


def test_pairs_that_always_join_can_not_fail():
    assert len(set(pair_index([2, 3, 2101, 2101, 2], [-2, -3, 3, -2101, -1], [0, 0, 0, 0, 211]))) == 4
    with pytest.raises(ValueError, match="row 0 is no last hadron of a string"):
        pair_index(2, -1, 0)
