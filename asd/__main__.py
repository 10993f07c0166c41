"""``python -m asd`` is ``asd``."""

from asd.cli import main

main()
