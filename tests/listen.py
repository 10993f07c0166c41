"""`listen FILE VERB...` runs verbs of `asd`, and writes as JSON which files each of them reads.

Those are the files that were opened to be read, or whose content HDF5 was given.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import h5py

from asd.cli import cli


def main() -> None:
    """Run what the command line says."""
    out, *verbs = sys.argv[1:]
    seen, read, begin = set[str](), [], h5py.File.__init__

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes):
            return
        if arguments[2] & os.O_ACCMODE == os.O_RDONLY:
            seen.add(str(Path(os.fsdecode(arguments[0])).absolute()))

    def hear_file(self: h5py.File, name: Any, *arguments: Any, **named: Any) -> None:
        if isinstance(name, str | os.PathLike):
            seen.add(str(Path(name).absolute()))
        begin(self, name, *arguments, **named)

    h5py.File.__init__ = hear_file
    sys.addaudithook(hear)
    for verb in verbs:
        seen.clear()
        cli.main(["-q", *verb.split()], standalone_mode=False)
        read.append(sorted(seen))
    Path(out).write_text(json.dumps(read), encoding="utf-8")


if __name__ == "__main__":
    main()
