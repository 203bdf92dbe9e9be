"""Write data/particles.csv: hadrons, leptons and the photon, from the tables of the `particle` package (extra ``hep``).

Some heavy and excited baryons that real Pythia makes (extra ``pythia``) are not there: they follow with its values.
"""

import hashlib
import pathlib

import particle
import pythia8mc

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "particles.csv"
NEUTRINOS = (12, 14, 16)


def from_pdg():
    for p in particle.Particle.all():
        known = p.pdgid.is_hadron or 11 <= abs(p.pdgid) <= 16 or p.pdgid == 22
        mass = 0.0 if abs(p.pdgid) in NEUTRINOS else p.mass
        if known and mass is not None:
            yield int(p.pdgid), p.name, mass / 1000, int(p.charge)


def from_pythia():
    data = pythia8mc.Pythia("", False).particleData
    pid = 1
    while (following := data.nextId(pid)) > pid:
        pid = following
        if data.isHadron(pid):
            for code in (pid, -pid) if data.hasAnti(pid) else (pid,):
                yield code, data.name(code), data.m0(code), round(data.charge(code))


def main():
    rows = {pid: (pid, *rest) for pid, *rest in from_pythia()} | {pid: (pid, *rest) for pid, *rest in from_pdg()}
    lines = [
        f"# PDG masses and charges through particle {particle.__version__}, what is not there from Pythia 8.317; "
        "tools/make_particles.py",
        "pid,name,mass_gev,charge",
    ]
    for pid, name, mass, charge in sorted(rows.values(), key=lambda row: (abs(row[0]), -row[0])):
        lines.append(f"{pid},{name},{mass:.9g},{charge}")
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    digest = hashlib.sha256(OUT.read_bytes()).hexdigest()
    print(f'wrote {OUT.name}: {len(rows)} particles, "{digest}", {OUT.stat().st_size} bytes')


if __name__ == "__main__":
    main()
