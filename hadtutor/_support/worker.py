"""The other end of `in_processes`: a Python that does one job after the other."""

import os
import pickle
import sys
from typing import Any


def main() -> None:
    """Read what to make, then jobs, and answer each with (result, error), until there are no more."""
    jobs, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is no result
    work: Any = None
    start = pickle.load(jobs)
    try:
        make, arguments = pickle.loads(start)
    except (AttributeError, ImportError) as error:

        def make(*unknown, error=error):
            raise TypeError(
                f"{error}: other processes import what they are given, which main programs and notebooks define in "
                "vain; define it in a module, or take processes=1"
            )

        arguments = ()
    while True:
        try:
            job = pickle.load(jobs)
        except EOFError:
            return
        try:
            work = make(*arguments) if work is None else work
            answer = work(job), None
        except Exception as error:  # it is raised where the job came from
            answer = None, error
        pickle.dump(answer, results)
        results.flush()


if __name__ == "__main__":
    main()
