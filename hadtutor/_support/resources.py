"""Where the packaged data files lie: in the checkout's ``data``, or in the package once it is installed."""

import functools
import pathlib


@functools.cache
def data_folder():
    """The folder of the packaged data files."""
    package = pathlib.Path(__file__).resolve().parents[1]
    for folder in (package / "data", package.parent / "data"):
        if (folder / "particles.csv").is_file():
            return folder
    raise FileNotFoundError(f"hadtutor's data are neither in {package} nor beside it; install the package anew")


def in_checkout():
    """Whether the package is run from a checkout, where new results belong to the packaged ones."""
    return data_folder().parent != pathlib.Path(__file__).resolve().parents[1]
