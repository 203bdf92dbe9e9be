"""``python -m hadtutor reproduce NAME``: run an experiment of paper size."""

import argparse
from collections.abc import Sequence

from .reproduce import EXPERIMENTS, reproduce, summary


def main(arguments: Sequence[str] | None = None) -> None:
    """Run an experiment and print its main numbers."""
    parser = argparse.ArgumentParser(prog="python -m hadtutor", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("reproduce", help="run an experiment, write its numbers and figures to data/results/")
    run.add_argument("name", choices=EXPERIMENTS)
    run.add_argument("--events", type=int, help="of simulation and of data (default: 10⁶, of lep 2·10⁵, of gan 10⁴)")
    run.add_argument("--experiments", type=int, default=20, help="pseudo-experiments for the coverage (default: 20)")
    run.add_argument("--threads", type=int, default=2)
    run.add_argument("--seed", type=int, default=20251125)
    run.add_argument("--out", help="folder for the results (default: data/results)")
    run.add_argument("--quiet", action="store_true", help="no progress bars")
    options = parser.parse_args(arguments)
    shared = {name: getattr(options, name) for name in ("out", "threads", "experiments")}
    progress = not options.quiet
    print(summary(reproduce(options.name, n_events=options.events, rng=options.seed, progress=progress, **shared)))


if __name__ == "__main__":
    main()
