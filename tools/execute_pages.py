"""Execute chapters on several processors, ahead of the build of the book, which finds the results in its cache.

    python tools/execute_pages.py [--workers 2] [notebook ...]

A chapter that is there already is left alone, and so is one that fails: the build executes it again, and says why.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.executors.utils import create_cache_bundle, single_nb_execution


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="all of book/ by default")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    cache, waiting = get_cache("_build/.jupyter_cache"), []
    for path in options.notebooks or sorted(Path("book").glob("*.ipynb")):
        waiting_nb = cache.get_project_notebook(cache.add_nb_to_project(str(path.resolve())).pk)
        try:
            cache.match_cache_notebook(waiting_nb.nb)
        except KeyError:
            waiting.append(waiting_nb)
    run = lambda page: single_nb_execution(page.nb, cwd=str(Path(page.uri).parent), timeout=300, allow_errors=False)
    with ThreadPoolExecutor(options.workers) as pool:
        pages = {pool.submit(run, page): page for page in waiting}
        for done in as_completed(pages):
            page, name = pages[done], Path(pages[done].uri).name
            # A kernel that died raises, a cell that failed does not.
            error = done.exception() or done.result().err
            if error is not None:
                print(f"{name}: {type(error).__name__}", flush=True)
                continue
            found = done.result()
            cache.cache_notebook_bundle(create_cache_bundle(page, found.cwd, None, found.time, None), overwrite=True)
            print(f"{name}: {found.time:.0f} s", flush=True)


if __name__ == "__main__":
    main()
