"""``report.html``: one file that needs no network and no script."""

from __future__ import annotations

from asd.report.page.document import document

__all__ = ["document"]
