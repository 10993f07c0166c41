"""What a person looks at: the result tables, the pictures, and one self-contained HTML page.

Plain data goes in (:class:`asd.report.material.Material`) and files come out; the same data gives
the same bytes. matplotlib, scikit-learn and jinja2 are imported only where they are used.
"""
