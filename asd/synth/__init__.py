"""The synthesiser of machine sound: seven kinds of machine in the layout of 2022 to 2026.

It makes data that the whole pipeline can run on with no network. Sounds are modelled, not recorded:
each machine's file says after what physics. What makes detection hard or easy is made like genuine
sound: noise strays from clip to clip in level (6 dB either way), colour and kind, load and speed
wander, sections are units that differ in speeds, resonances and tone patterns, and a fault moves
these as well as adding a sound of its own.

Three strengths were set once for all machines (noise against machine, size of the units'
differences, size of the faults) so that fan and valve show the order of published results on DCASE
2022: neighbours of pooled log-mels 55 to 62, Mahalanobis and Gaussian mixtures 60 to 70, the
paper's classifier 57 to 63 with posteriors and more with the cosine distance. The order is not that
of each machine: those with attributes that shift strongly (bearing, gearbox) are easier without
training. Views made for own recordings, which look at single bands, stay near 60 here, where they
reach 87 to 100 on genuine sound: the noise of these clips strays in every band, and hides what a
single band tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asd.registry import Registry

if TYPE_CHECKING:
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
