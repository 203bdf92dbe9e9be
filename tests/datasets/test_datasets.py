import hashlib
import re

import checks
import numpy as np
import pytest

from hadtutor import (
    ClusterParams,
    DataFileError,
    LundParams,
    Sample,
    Showers,
    datasets,
    hadronize_clusters,
    observables,
    pythia,
    strings,
)
from hadtutor._support import resources
from hadtutor.datasets import DATASETS, registry
from hadtutor.datasets.packed import HADRON_UNIT
from hadtutor.metrics import pull
from hadtutor.weights import event_weights

POINTS = {"base": (0.68, 0.98, 0.335), "a030": (0.30, 0.98, 0.335), "b058": (0.68, 0.58, 0.335)}


# --- The list --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DATASETS)
def test_every_listed_file_is_there_with_its_size_and_checksum(name):
    raw = datasets.path(name).read_bytes()
    assert len(raw) == DATASETS[name].size
    assert hashlib.sha256(raw).hexdigest() == DATASETS[name].sha256


@pytest.mark.parametrize("name", DATASETS)
def test_every_file_has_a_licence_and_the_script_or_the_records_it_comes_from(name):
    entry = DATASETS[name]
    assert entry.licence in ("CC0-1.0", "CC-BY-4.0", "BSD-3-Clause")
    assert len(entry.provenance) > 20
    if re.search(r"; HEPData ins\d+(, ins\d+)*$", entry.provenance):
        return  # a published table
    assert "tools/make_" in entry.provenance
    checkout = datasets.path(name).parents[1]
    script = entry.provenance.split("tools/")[1].split(",")[0].split()[0]
    if (checkout / "tools").is_dir():  # not in a wheel
        assert (checkout / "tools" / script).is_file()


@pytest.mark.parametrize("point", POINTS)
def test_the_listing_says_what_the_file_says(pythia_samples, point):
    sample, text = pythia_samples[point], DATASETS[f"pythia-pions-{point}"].provenance
    assert f"({sample.params.a:.2f}, {sample.params.b:.2f}, {sample.params.sigma_pt:.3f})" in text
    assert f"{len(sample):,}".replace(",", " ") in text
    assert f"{sample.energy:g} GeV" in text


def test_all_data_together_is_small():
    """Under 30 MB: it ships in the wheel."""
    assert sum(entry.size for entry in DATASETS.values()) < 30e6


def test_no_file_of_data_is_unlisted():
    folder = datasets.path("particles").parent
    listed = {entry.file for entry in DATASETS.values()}
    assert {p.name for p in folder.iterdir() if p.suffix in (".npz", ".csv")} == listed


# --- Errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [datasets.path, datasets.load, datasets.table])
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(function):
    with pytest.raises(
        ValueError, match="unknown data set 'pions'; known: cluster-lep, cluster-scan, lep, lep-figures, "
    ):
        function("pions")


@pytest.mark.parametrize("function", [datasets.path, datasets.load, datasets.table, datasets.lep])
@pytest.mark.parametrize("name", [None, 3, ["lep"], b"lep", "", "THRUST"])
def test_what_is_no_name_is_unknown(function, name):
    with pytest.raises(ValueError, match=f"unknown (data set|LEP figure) {re.escape(repr(name))}; known: "):
        function(name)


def test_each_reader_sends_what_is_not_its_own_to_the_right_one():
    for function in (datasets.path, datasets.load, datasets.table):
        with pytest.raises(
            ValueError, match=r"unknown data set 'thrust', but a figure of LEP: .* datasets.lep\('thrust'\)"
        ):
            function("thrust")
    for name, reader in (("lep", "table"), ("cluster-scan", "table"), ("pythia-showers-91", "load")):
        with pytest.raises(ValueError, match=f"unknown LEP figure '{name}', but a file: .* datasets.{reader}"):
            datasets.lep(name)


@pytest.mark.parametrize("name", DATASETS)
def test_the_kind_of_a_file_is_what_its_reader_makes_of_it(name):
    entry = DATASETS[name]
    found = getattr(datasets, entry.reader)(name)
    assert type(found) is {"table": dict, "strings": Sample, "showers": Showers, "events": Sample}[entry.kind]


TABLES = ("particles", "lep", "lep-figures", "cluster-scan", "cluster-lep", "rsa-coverage", "pythia-weights")


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_a_name_and_a_number_for_every_row(table):
    columns = datasets.table(table)
    lines = [line for line in datasets.path(table).read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    assert list(columns) == lines[0].split(",")
    assert {len(column) for column in columns.values()} == {len(lines) - 1}
    kinds = {name: column.dtype.kind for name, column in columns.items()}
    assert set(kinds.values()) <= set("fU")
    if table == "cluster-lep":
        assert "".join(kinds.values()) == "UfUffff"


def test_a_sample_is_not_a_table():
    with pytest.raises(ValueError, match="'pythia-showers-91' is not a table but showers; read it with datasets.load"):
        datasets.table("pythia-showers-91")


def test_packaged_cluster_results_agree_with_a_run_of_today():
    """Pions, kaons and protons of 1500 events at one point of the scan: pulls below 4."""
    scan = datasets.table("cluster-scan")
    names = ("pwt_s", "pwt_diquark", "vector_wt")
    params = ClusterParams()._replace(**{name: float(scan[name][3]) for name in names})
    showers = datasets.load("pythia-showers-91")[:1500]
    hadrons = pythia.decay(hadronize_clusters(showers, params, rng=5).hadrons, seed=5)
    for name, code in (("pions", 211), ("kaons", 321), ("protons", 2212)):
        n = observables.count(hadrons, code)
        error = np.hypot(n.std() / np.sqrt(len(n)), scan[f"{name}_error"][3])
        assert abs(n.mean() - scan[name][3]) < 4 * error, name


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_not_a_sample(table):
    with pytest.raises(
        ValueError, match=f"'{table}' is not a sample of events but a table; .* datasets.table.'{table}'"
    ):
        datasets.load(table)


def test_a_missing_file_asks_for_a_new_installation(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "data_folder", lambda: tmp_path / "hadtutor" / "data")
    with pytest.raises(FileNotFoundError, match="pythia-pions-base.npz is missing from this installation"):
        datasets.path("pythia-pions-base")


@pytest.mark.parametrize("damage", ["one bit", "half", "nothing left"])
def test_a_damaged_copy_is_refused(monkeypatch, tmp_path, damage):
    raw = bytearray(datasets.path("pythia-pions-base").read_bytes())
    if damage == "one bit":
        raw[len(raw) // 2] ^= 1
    else:
        raw = raw[: len(raw) // 2 if damage == "half" else 0]
    copy = tmp_path / "pythia-pions-base.npz"
    copy.write_bytes(raw)
    monkeypatch.setattr(registry, "path", lambda name: copy)
    with pytest.raises(DataFileError, match="pythia-pions-base.npz is damaged: its checksum"):
        datasets.load("pythia-pions-base")


def test_the_folder_inside_the_package_comes_first(monkeypatch, tmp_path):
    """In a wheel the data lie in hadtutor/data, in a checkout beside hadtutor/."""
    package = tmp_path / "hadtutor"
    for folder in (package / "data", tmp_path / "data"):
        folder.mkdir(parents=True)
        (folder / "particles.csv").touch()
    monkeypatch.setattr(resources, "PACKAGE", package)
    resources.data_folder.cache_clear()
    try:
        assert datasets.path("particles") == package / "data" / "particles.csv"
    finally:
        resources.data_folder.cache_clear()


# --- The samples of real Pythia --------------------------------------------------------------------


@pytest.mark.parametrize("point", POINTS)
def test_a_packaged_sample_has_its_settings(pythia_samples, point):
    sample = pythia_samples[point]
    assert isinstance(sample, Sample)
    assert len(sample) == 50_000
    assert (sample.energy, sample.quark) == (90.0, "u")
    assert sample.params == LundParams(*POINTS[point])


@pytest.mark.parametrize("point", POINTS)
def test_packaged_events_keep_the_laws(pythia_samples, point):
    """Pythia does not show the last pair of rejected chains, so there its entries are empty."""
    sample = pythia_samples[point]
    checks.assert_four_momentum(sample)
    checks.assert_neutral(sample)
    checks.assert_on_mass_shell(sample)
    checks.assert_charges_alternate(sample)
    checks.assert_hadrons_come_from_breaks(sample)
    h = sample.histories
    assert np.array_equal(h.accepted, np.append(h.event_of_chain[1:] != h.event_of_chain[:-1], True))
    assert np.array_equal(np.isfinite(h.final_px), h.accepted)
    assert np.array_equal(np.isfinite(h.final_lambda), h.accepted)
    assert np.all((h.z > 0) & (h.z < 1))


def test_packaged_columns_have_the_types_of_our_own(pythia_samples, base):
    for name, column in vars(base.histories).items():
        packaged = getattr(pythia_samples["base"].histories, name)
        assert getattr(packaged, "dtype", None) == getattr(column, "dtype", None), name
    for name, column in vars(base.hadrons).items():
        assert getattr(pythia_samples["base"].hadrons, name).dtype == column.dtype, name


@pytest.mark.parametrize("point", POINTS)
def test_packaged_samples_agree_with_another_run_of_pythia(pythia_columns, point):
    """Means of 200 000 events made elsewhere: pulls below 4."""
    checks.assert_means_of_pythia(pythia_columns[point], point)


@pytest.mark.parametrize("point", ["base", "a030"])
def test_packaged_samples_have_the_published_acceptance(pythia_samples, point):
    checks.assert_acceptance_of_pythia(pythia_samples[point], point)


def test_real_pythia_draws_z_from_f(pythia_samples):
    """To the 13 bits that the file keeps: p > 1e-3."""
    for sample in pythia_samples.values():
        h = sample.histories
        checks.assert_uniform(checks.z_cdf(h.z, h.mt2, sample.params))


def test_a_packaged_sample_survives_its_own_file(pythia_samples, tmp_path):
    part = pythia_samples["base"][:100]
    part.save(tmp_path / "part.npz")
    checks.assert_same_sample(Sample.load(tmp_path / "part.npz"), part)
    again = strings.replay(part.histories, part.energy)
    checks.assert_same_columns(again, part.hadrons)


# --- Showers of gluons -----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "options"), [("qvgq", {"emissions": 1}), ("qngq", {"gluon_splitting": False})])
def test_packaged_showers_of_gluons_are_single_strings_of_pythias(name, options):
    """From a u to a u-bar with all of the energy; gluons as another run has them, pulls below 4."""
    showers = datasets.load(f"pythia-showers-{name}")
    assert (len(showers), showers.energy) == (10_000, 90.0)
    rows, string_offsets = showers.colour_order()
    assert np.array_equal(rows, np.arange(len(showers.pid)))
    assert np.array_equal(string_offsets, showers.offsets)
    ends = np.zeros(len(showers.pid), bool)
    ends[showers.offsets[:-1]] = ends[showers.offsets[1:] - 1] = True
    assert np.array_equal(showers.pid[ends], np.tile([2, -2], 10_000))
    assert np.all(showers.pid[~ends] == 21)
    total = np.add.reduceat(showers.p4, showers.offsets[:-1])
    np.testing.assert_allclose(total, np.tile([0, 0, 0, 90.0], (10_000, 1)), rtol=0, atol=1e-9)
    other = pythia.shower(5000, 90.0, quark="u", seed=5, **options)
    of_gluons = lambda s: np.bincount(s.event, s.e * (s.pid == 21))
    for of in (of_gluons, lambda s: s.multiplicity, lambda s: s.e[s.pid == 2]):
        assert abs(pull(of(showers), of(other))) < 4


# --- Events of LEP ---------------------------------------------------------------------------------


def test_packaged_events_are_those_that_pythia_makes_of_the_packaged_showers():
    """To the rounding of the file: particles within half an MeV, what Pythia drew nearly as drawn, z bit by bit."""
    packed = datasets.load("pythia-lep")
    entry, n = DATASETS["pythia-lep"], 250  # what Pythia makes at a time
    seed = int(entry.provenance.rpartition(" ")[2])
    showers = datasets.load("pythia-showers-91")[:n]
    fresh = pythia.hadronize(showers, packed.params, seed=seed, histories=True, progress=False)
    few = packed[:n]
    assert (len(packed), packed.energy, packed.params) == (10_000, 91.2, fresh.params)
    np.testing.assert_array_equal(few.hadrons.pid, fresh.hadrons.pid)
    off = abs(few.hadrons.p4 - fresh.hadrons.p4)  # rounding of three components moves an energy by √3 as much
    assert off[:, :3].max() <= 1.001 * HADRON_UNIT / 2
    assert off[:, 3].max() <= 3**0.5 * HADRON_UNIT / 2
    for name in ("z", "pid", "old", "new", "chain_offsets", "event_of_chain", "status", "strings", "final_new"):
        np.testing.assert_array_equal(getattr(few.histories, name), getattr(fresh.histories, name), err_msg=name)
    for name in ("mt2", "px", "final_px", "final_lambda"):
        found, wanted = getattr(few.histories, name), getattr(fresh.histories, name)
        np.testing.assert_allclose(found, wanted, rtol=3e-4, atol=2.0**-13, err_msg=name)


def test_weights_of_packaged_events_average_to_one():
    """Mean weight 1 within four errors at another a, b and width."""
    sample = datasets.load("pythia-lep")
    target = sample.params.replace(a=0.65, b=1.0, sigma_pt=0.32)
    w = np.exp(event_weights(sample, target, all_chains=True).log_w)
    assert abs(w.mean() - 1) < 4 * w.std() / len(w) ** 0.5


def test_packaged_events_conserve_energy_and_charge():
    """With what decays have left, neutrinos too; energy within 20 MeV, as some forty momenta are rounded."""
    hadrons = datasets.load("pythia-lep").hadrons
    total = np.add.reduceat(hadrons.p4, hadrons.offsets[:-1])
    assert abs(total - [0, 0, 0, 91.2]).max() < 0.02
    assert not np.add.reduceat(hadrons.charge, hadrons.offsets[:-1]).any()
