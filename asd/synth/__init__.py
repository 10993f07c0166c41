"""The synthesiser of machine sound: seven kinds of machine in the layout of 2022 to 2026.

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
        # The names of 2026; each is another unit of its kind.
        "ToyCarEmu": "asd.synth.toys:ToyCar",
        "bearingEmu": "asd.synth.industrial:Bearing",
        "gearboxEmu": "asd.synth.industrial:Gearbox",
        "sliderEmu": "asd.synth.industrial:Slider",
        "valveEmu": "asd.synth.industrial:Valve",
    },
)
"""Machine types by name."""
