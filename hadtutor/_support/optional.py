"""What is imported only when it is asked for: optional packages, and the modules that need torch."""

import importlib


def need(name, extra, what="this"):
    """Import an optional package, or say which extra brings it.

    Parameters
    ----------
    name : str
        Of the module, such as ``"vector.backends.awkward"``.
    extra : str
        Of `hadtutor`, which lists the package.
    what : str
        What cannot be done without it.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If the package is missing.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(
            f"{package} is missing; {what} needs the extra `{extra}`: pip install 'hadtutor[{extra}]'"
        ) from error


def submodules(package, *names):
    """A ``__getattr__`` for `package` that imports the submodules `names` when they are first used."""

    def __getattr__(name):
        if name in names:
            return importlib.import_module(f".{name}", package)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__
