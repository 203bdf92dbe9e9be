"""The source of a function, folded, where a chapter wants to show it."""

import inspect

from IPython.display import Markdown


def show_source(function):
    """Show the package's own source of a function, so that a chapter and the code cannot drift apart.

    Parameters
    ----------
    function : callable
        A function or a numba kernel.

    Returns
    -------
    IPython.display.Markdown
        The source in a code block, coloured by whoever shows it.
    """
    source = inspect.getsource(getattr(function, "py_func", function))
    return Markdown(f"```python\n{source}```")
