"""Write data/particles.csv from the PDG tables of the `particle` package (extra ``hep``)."""

import pathlib

import particle

PIDS = (111, 211, -211)
OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "particles.csv"


def main():
    lines = [
        f"# PDG masses and charges through particle {particle.__version__}; tools/make_particles.py",
        "pid,name,mass_gev,charge",
    ]
    for pid in PIDS:
        p = particle.Particle.from_pdgid(pid)
        lines.append(f"{pid},{p.name},{p.mass / 1000:.8f},{int(p.charge)}")
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {OUT.name}: {len(PIDS)} particles")


if __name__ == "__main__":
    main()
