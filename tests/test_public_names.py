"""The names that the book, courses and studies rely on (DESIGN: public names), and what importing them costs."""

import importlib
import inspect
import json
import pathlib
import pkgutil
import re
import subprocess
import sys

import numpy as np
import pytest

import hadtutor as ht

MODULES = sorted(m.name for m in pkgutil.iter_modules(ht.__path__) if not m.name.startswith("_"))
TENSORS = sorted(f"{file.parent.name}.tensor" for file in pathlib.Path(ht.__file__).parent.glob("*/tensor.py"))
PLACES = [*MODULES, *TENSORS]
HEAVY = ("torch", "matplotlib", "pythia8mc", "IPython", "ipywidgets", "sklearn", "pandas", "hist", "pyhepmc", "ot")
# Where they are installed, numba loads them at the first compilation: they register extensions with it.
BY_NUMBA = ("awkward", "vector", "pyarrow")


def public_objects():
    """Place to every public function and class, and to their public methods, each under the family that shows it."""
    found = {}
    for place in PLACES:
        module = importlib.import_module(f"hadtutor.{place}")
        names = getattr(module, "__all__", [n for n, x in vars(module).items() if own(module, n, x)])
        for name in names:
            thing = getattr(module, name)
            if callable(thing):
                found[f"{place}.{name}"] = thing
            for method_name, method in vars(thing).items() if inspect.isclass(thing) else ():
                kinds = (property, classmethod, staticmethod)
                if not method_name.startswith("_") and (inspect.isfunction(method) or isinstance(method, kinds)):
                    found[f"{place}.{name}.{method_name}"] = getattr(method, "__func__", method)
    return found


def own(module, name, thing):
    return not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__


PUBLIC = public_objects()
SIGNATURES = {name: vars(x).get("__init__") if inspect.isclass(x) else x for name, x in PUBLIC.items()}
FUNCTIONS = {name: x for name, x in SIGNATURES.items() if inspect.isfunction(x)}
"""Without kernels, properties, and classes whose fields say it all."""


def in_a_fresh_process(code):
    """What `code` prints as JSON in a Python of its own."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return json.loads(result.stdout)


# --- Names -----------------------------------------------------------------------------------------


def test_the_first_five_lines_of_a_newcomer_work():
    p = ht.LundParams(a=0.68, b=0.98, sigma_pt=0.335)
    q = ht.LundParams(stop_mass=1.0, stop_new_flavour=2.0, stop_smear=0.2, enhanced_fraction=0.0, enhanced_width=2.0)
    s = ht.hadronize_strings(1000, p, energy=90.0, rng=np.random.default_rng(1), quark="u", threads=2)
    assert p == q == s.params
    assert s.energy == 90.0
    for name in ("offsets", "px", "py", "pz", "e", "pid"):
        assert isinstance(getattr(s.hadrons, name), np.ndarray), name
    for name in ("z", "mt2", "px", "py", "from_positive", "chain_offsets", "event_of_chain", "accepted"):
        assert isinstance(getattr(s.histories, name), np.ndarray), name
    columns = ht.observables.compute(s.hadrons, energy=90.0)
    names = ["T", "C", "D", "B_W", "B_T", "n_f", "n_ch"]
    names += [f"{x}_{moment}" for x in ("lnx", "lnx_ch") for moment in ("mean", "var", "m3")]
    assert {name: column.shape for name, column in columns.items()} == dict.fromkeys(names, (1000,))


def test_every_module_is_reached_from_the_package_without_a_second_import():
    names = in_a_fresh_process(
        f"import json, hadtutor as ht; print(json.dumps([getattr(ht, name).__name__ for name in {MODULES}]))"
    )
    assert names == [f"hadtutor.{name}" for name in MODULES]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_models_and_what_is_public(name):
    module = importlib.import_module(f"hadtutor.{name}")
    assert module.__doc__.strip()
    assert len(set(module.__all__)) == len(module.__all__) > 0
    for public in module.__all__:
        assert getattr(module, public) is not None


def test_the_package_lists_what_it_has():
    assert ht.__doc__.strip()
    for name in ht.__all__:
        assert hasattr(ht, name), name
    assert set(MODULES) <= set(ht.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'hadronise_strings'"):
        _ = ht.hadronise_strings


def test_the_version_is_that_of_the_project():
    """Compared with pyproject.toml beside the package, where the tests run from a checkout."""
    project = pathlib.Path(__file__).resolve().parents[1] / "pyproject.toml"
    assert f'\nversion = "{ht.__version__}"\n' in project.read_text(encoding="utf-8")


# --- Docstrings ------------------------------------------------------------------------------------


def arguments_of(function):
    return [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]


def described(doc):
    """Names that a docstring describes, in the sections Parameters and Attributes or, marked, in a sentence."""
    found = set()
    for section in re.findall(r"(?ms)^(?:Parameters|Attributes)\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", doc):
        for line in re.findall(r"(?m)^(\S.*?)(?: : .*)?$", section):
            found |= {name.strip().lstrip("*") for name in line.split(",")}
    return found | set(re.findall(r"`(\w+)`", doc))


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_has_a_docstring_that_explains_its_arguments(name):
    thing = PUBLIC[name]
    doc = inspect.getdoc(thing) or ""
    assert len(doc.split()) >= 3
    assert doc.split("\n")[0].strip().endswith((".", ":", "?", "`."))
    function = getattr(thing, "py_func", thing)
    if inspect.isfunction(function):
        missing = {argument.name for argument in arguments_of(function)} - described(doc)
        assert not missing, f"{name} does not explain {missing}"
    elif inspect.isclass(thing) and "__init__" in vars(thing):
        known = set().union(*(described(inspect.getdoc(kind) or "") for kind in thing.__mro__))
        missing = {argument.name for argument in arguments_of(thing.__init__)} - known
        assert not missing, f"{name} does not explain {missing}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_everything_public_is_annotated(name):
    """So that editors and type checkers know what goes in and what comes out; `make lint` checks that it is true."""
    function = FUNCTIONS[name]
    bare = [p.name for p in arguments_of(function) if p.annotation is p.empty]
    assert not bare, f"{name}: {bare} without annotation"
    assert inspect.signature(function).return_annotation is not inspect.Signature.empty, name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_randomness_is_spelled_rng_and_given_by_name(name):
    """A Generator or a whole number; real Pythia alone has a seed of its own, which tunes hand on to it."""
    arguments = {p.name: p for p in arguments_of(FUNCTIONS[name])}
    assert "generator" not in arguments or name.startswith("gan."), "there it is a network"
    assert "seed" not in arguments or name.split(".")[0] in ("pythia", "tuning")
    if "rng" in arguments:
        assert arguments["rng"].kind is inspect.Parameter.KEYWORD_ONLY
        with pytest.raises(TypeError, match="rng"):
            FUNCTIONS[name](seed=1)


# --- The cost of an import -------------------------------------------------------------------------


def test_importing_the_package_loads_neither_torch_nor_matplotlib():
    loaded = in_a_fresh_process("import json, sys, hadtutor; print(json.dumps(sorted(sys.modules)))")
    assert not [name for name in HEAVY + BY_NUMBA + ("numba", "scipy.stats") if name in loaded]
    assert len(loaded) < 300


def test_hadronizing_a_string_needs_no_more():
    code = (
        "import json, sys, numpy as np, hadtutor as ht\n"
        "ht.hadronize_strings(10, rng=np.random.default_rng(1))\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    loaded = in_a_fresh_process(code)
    assert not [name for name in HEAVY if name in loaded]


def test_torch_is_loaded_where_it_is_used():
    code = "import json, sys, hadtutor as ht; ht.strings.tensor; print(json.dumps(sorted(sys.modules)))"
    loaded = in_a_fresh_process(code)
    assert "torch" in loaded
    assert "matplotlib" not in loaded


def test_metrics_wait_for_scipys_statistics_and_matplotlib_until_they_are_used():
    loaded = in_a_fresh_process("import json, sys, hadtutor.metrics; print(json.dumps(sorted(sys.modules)))")
    assert not [name for name in (*HEAVY, *BY_NUMBA, "scipy.stats", "scipy.spatial") if name in loaded]


def test_importing_leaves_numpys_and_pythons_random_state_alone():
    code = (
        "import json, random, numpy as np\n"
        "random.seed(1); np.random.seed(1)\n"
        "import hadtutor\n"
        "print(json.dumps([random.random(), np.random.random()]))"
    )
    assert in_a_fresh_process(code) == in_a_fresh_process(code.replace("import hadtutor\n", ""))
