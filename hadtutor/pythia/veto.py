"""Showers with fewer emissions than real Pythia would make, by its `UserHooks`."""

from typing import Any


def make_veto(pythia8mc: Any, emissions: int | None, gluon_splitting: bool) -> Any:
    """A UserHooks object that refuses emissions beyond a number, or of quarks by gluons.

    Set its ``kept``, how many it has let pass, to 0 before each event. What is refused has not happened: the shower
    goes on from there.
    """

    class Veto(pythia8mc.UserHooks):
        def __init__(self):
            super().__init__()
            self.kept = 0

        def canVetoFSREmission(self):
            return True

        def doVetoFSREmission(self, size, event, *where):
            # From `size` on lie the two that one parton has become.
            refused = self.kept == emissions or not gluon_splitting and event[size].id() == -event[size + 1].id()
            self.kept += not refused
            return refused

    return Veto()
