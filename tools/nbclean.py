"""Keep notebooks clean in git, and keep the reference outputs that nbval compares.

A cell tagged ``nbval-check-output`` keeps its outputs and has execution count 1 (nbval passes a cell whose
count is null without comparing anything). Every other output, every other count and the metadata that editors
leave behind go. All notebooks carry the same kernelspec, ``python3``. Code that the book folds (tagged ``hide-input``)
and the code of solutions is folded in JupyterLab too.

    python tools/nbclean.py book/*.ipynb            rewrite
    python tools/nbclean.py --check book/*.ipynb    change nothing; exit 1 and say why if a file is not clean
"""

import argparse
import sys
import warnings

import nbformat

KEEP_OUTPUT = "nbval-check-output"
FOLDED = {"hide-input", "hide-cell"}
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
EDITOR_METADATA = ("ExecuteTime", "collapsed", "execution", "jupyter", "scrolled", "vscode")


def is_reference(cell):
    """Whether nbval compares the output of ``cell`` with the one stored in the file."""
    return cell.cell_type == "code" and KEEP_OUTPUT in cell.metadata.get("tags", [])


def clean_cell(cell, position):
    """Clean one cell in place; ``position`` names it if it has no id yet."""
    cell.setdefault("id", f"cell-{position}")
    for key in EDITOR_METADATA:
        cell.metadata.pop(key, None)
    if cell.cell_type != "code":
        return
    if not is_reference(cell):
        cell.execution_count, cell.outputs = None, []
        return
    cell.execution_count = 1
    for output in cell.outputs:
        output.get("metadata", {}).clear()
        if "execution_count" in output:
            output["execution_count"] = 1


def fold(notebook):
    """Hide in JupyterLab the source of what the book folds, and the whole of a solution's code."""
    in_solution = False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            in_solution = (in_solution or "{solution-start}" in cell.source) and "{solution-end}" not in cell.source
        elif in_solution:
            cell.metadata["jupyter"] = {"outputs_hidden": True, "source_hidden": True}
        elif FOLDED & set(cell.metadata.get("tags", [])):
            cell.metadata["jupyter"] = {"source_hidden": True}


def clean(notebook):
    """Clean ``notebook`` in place: cells, then its own metadata."""
    for position, cell in enumerate(notebook.cells):
        clean_cell(cell, position)
    fold(notebook)
    kept = {key: value for key, value in notebook.metadata.items() if key == "mystnb"}
    notebook.metadata = nbformat.from_dict({**kept, "kernelspec": KERNELSPEC, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5


def problems(before, after, notebook):
    """Reasons why the file that reads ``before`` is not clean, as a list of sentences.

    ``notebook`` is the file as found, ``after`` the text that cleaning makes of it.
    """
    found = []
    name = notebook.metadata.get("kernelspec", {}).get("name")
    if name != KERNELSPEC["name"]:
        found.append(f"kernelspec is {name!r}, all notebooks use {KERNELSPEC['name']!r}")
    if before != after and not found:
        found.append("not clean: run `make strip`")
    return found


def missing_references(notebook):
    """Positions of the cells that nbval should compare, but that hold no output."""
    return [i for i, cell in enumerate(notebook.cells) if is_reference(cell) and not cell.outputs]


def process(path, check):
    """Clean or check one file; return True when it needs a person or, with ``check``, a rewrite."""
    with open(path, encoding="utf-8") as file:
        before = file.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing cell id is mended below
        notebook = nbformat.reads(before, as_version=nbformat.NO_CONVERT)
        original = nbformat.from_dict(notebook)
        clean(notebook)
    after = nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"

    failed = False
    missing = missing_references(notebook)
    if missing:
        print(f"{path}: cells {missing} are tagged {KEEP_OUTPUT} but hold no output: run `make refs`")
        failed = True
    if check:
        for problem in problems(before, after, original):
            print(f"{path}: {problem}")
            failed = True
    elif after != before:
        with open(path, "w", encoding="utf-8") as file:
            file.write(after)
        print(f"{path}: cleaned")
    return failed


def main(argv=None):
    """Command line; the exit code is 1 when a notebook is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="report, change nothing")
    parser.add_argument("notebooks", nargs="*")
    arguments = parser.parse_args(argv)
    failed = [path for path in arguments.notebooks if process(path, arguments.check)]
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
