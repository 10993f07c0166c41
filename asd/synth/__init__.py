"""The synthesiser of machine sound: seven kinds of machine in the layout of the 2022 challenge.

It makes data that the whole pipeline can run on with no network. Sounds are modelled, not
recorded: each machine's file says after what physics.
"""

from __future__ import annotations

from asd.registry import Registry
from asd.synth.machine import Machine

MACHINES: Registry[type[Machine]] = Registry(
    "machine to synthesise",
    {
        "ToyCar": "asd.synth.toys:ToyCar",
        "ToyTrain": "asd.synth.toys:ToyTrain",
        "bearing": "asd.synth.industrial:Bearing",
        "fan": "asd.synth.industrial:Fan",
        "gearbox": "asd.synth.industrial:Gearbox",
        "slider": "asd.synth.industrial:Slider",
        "valve": "asd.synth.industrial:Valve",
    },
)
"""Machine types by name."""
