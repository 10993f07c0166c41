"""The synthesiser of machine sound: seven kinds of machine in the layout of the 2022 challenge.

It makes data that the whole pipeline can run on with no network. Sounds are modelled, not
recorded: each machine's file says after what physics.
"""

from __future__ import annotations

from asd.clips.synth.machine import Machine
from asd.registry import Registry

MACHINES: Registry[type[Machine]] = Registry(
    "machine to synthesise",
    {
        "ToyCar": "asd.clips.synth.toys:ToyCar",
        "ToyTrain": "asd.clips.synth.toys:ToyTrain",
        "bearing": "asd.clips.synth.rotating:Bearing",
        "fan": "asd.clips.synth.rotating:Fan",
        "gearbox": "asd.clips.synth.rotating:Gearbox",
        "slider": "asd.clips.synth.reciprocating:Slider",
        "valve": "asd.clips.synth.reciprocating:Valve",
    },
)
"""Machine types by name."""
