"""The architecture as a law: imports go down only, and a private name stays in its folder (CONTRIBUTING: floors)."""

import ast
import pathlib

import pytest

PACKAGE = pathlib.Path(__file__).resolve().parents[1] / "hadtutor"

FLOORS = [
    {"_support"},
    {"params", "files", "kinematics"},
    {"particles", "estimates"},
    {"events"},
    {"lund"},
    {"strings", "cluster", "observables", "detector"},
    {"pythia", "plotting", "widgets", "datasets"},
    {"metrics", "nets"},
    {"training"},
    {"weights", "rsa", "tuning", "conditioned", "unfolding", "flows", "gan", "homer"},
    {"reproduce"},
    {"__main__", "__init__"},
]
SIDEWAYS = {
    ("flows", "gan"),
    ("homer", "tuning"),
    ("widgets", "plotting"),
    ("rsa", "weights"),
    ("homer", "weights"),
    ("tuning", "weights"),
}
"""What may be imported on the same floor: displays take the colours of plots, fits the weights of what was drawn,
flows the decays that GANs learn."""

FLOOR = {family: number for number, families in enumerate(FLOORS) for family in families}
MODULES = sorted(PACKAGE.rglob("*.py"))


def family(parts):
    """Top-level folder or module of a dotted place inside the package."""
    return parts[0] if parts else "__init__"


def imports(file):
    """(place, name) of everything of hadtutor's own that a module imports, wherever in it."""
    here = file.relative_to(PACKAGE).with_suffix("").parts
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            place = (*here[: len(here) - node.level], *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                yield (place, alias.name) if place else ((alias.name,), alias.name)


@pytest.mark.parametrize("file", MODULES, ids=lambda f: ".".join(f.relative_to(PACKAGE).with_suffix("").parts))
def test_imports_go_down_and_private_names_stay_at_home(file):
    own = family(file.relative_to(PACKAGE).with_suffix("").parts)
    for place, name in imports(file):
        other = family(place)
        if other == own or (other, name) == ("__version__", "__version__"):
            continue
        allowed = FLOOR[other] < FLOOR[own] or (own, other) in SIDEWAYS
        assert allowed, f"{own} (floor {FLOOR[own]}) imports {'.'.join(place)}.{name} (floor {FLOOR[other]})"
        assert not name.startswith("_"), f"{own} imports the private {'.'.join(place)}.{name}"


def test_every_family_has_a_floor():
    families = {family(file.relative_to(PACKAGE).with_suffix("").parts) for file in MODULES}
    assert families == set(FLOOR)


def test_no_module_has_the_name_of_something_public_in_its_folder():
    """``from .fission import fission`` would make the name ambiguous."""
    for folder in {file.parent for file in MODULES} - {PACKAGE}:
        modules = {file.stem for file in folder.glob("*.py")}
        for file in folder.glob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            defined = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
            assert not modules & defined, f"{file.relative_to(PACKAGE)} defines {modules & defined}"
