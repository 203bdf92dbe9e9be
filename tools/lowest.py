"""Print the lowest version that pyproject.toml allows of everything it asks for, as constraints for pip.

    python tools/lowest.py > lowest.txt && pip install -c lowest.txt -e ".[hep,ml,test]"

The unit tests must pass with these on the oldest Python, and with the newest of everything on the newest.
"""

import pathlib
import re
import sys

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = pathlib.Path(__file__).resolve().parents[1] / "pyproject.toml"
TOOLS = ("book", "test", "pythia")  # what makes pages and runs tests is the newest, real Pythia is one version


def lowest(requirement):
    """``numpy==1.26`` of ``numpy>=1.26``; nothing of a requirement without a lower bound."""
    found = re.match(r"([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)", requirement)
    return f"{found[1]}=={found[2]}" if found else ""


if __name__ == "__main__":
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = [line for name, lines in project["optional-dependencies"].items() if name not in TOOLS for line in lines]
    print("\n".join(sorted(filter(None, map(lowest, [*project["dependencies"], *extras])))))
