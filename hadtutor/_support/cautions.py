"""Warnings that point at the user's line, however deep in the package they are given."""

import sys
import warnings

INSIDE = ("hadtutor", "torch")  # torch stands between two of ours where a module is called


def warn(message: str, category: type[Warning] = RuntimeWarning) -> None:
    """Warn as if the line that called the package had done it (`skip_file_prefixes` of Python 3.12 for all)."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
