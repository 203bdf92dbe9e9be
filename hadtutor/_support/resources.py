"""Where the packaged data files lie: in the checkout's ``data``, or in the package once it is installed."""

import functools
import pathlib

PACKAGE = pathlib.Path(__file__).resolve().parents[1]


@functools.cache
def data_folder() -> pathlib.Path:
    """The folder of the packaged data files."""
    for folder in (PACKAGE / "data", PACKAGE.parent / "data"):
        if (folder / "particles.csv").is_file():
            return folder
    raise FileNotFoundError(f"hadtutor's data are neither in {PACKAGE} nor beside it; install the package anew")


def in_checkout() -> bool:
    """Whether the package is run from a checkout, where new results belong to the packaged ones."""
    return data_folder().parent != PACKAGE
