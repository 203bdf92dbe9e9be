"""What all floors lean on: threads, progress bars, optional packages, checks, the data folder."""
