"""The look of the report: one style sheet for desktop, phone, paper, light and dark.

Colours are tokens, so that a test can hold every pair to the contrast of WCAG 2.2 AA: text 4.5,
lines and marks 3.
"""

from __future__ import annotations

LIGHT = {
    "page": "#fbfbf9",
    "card": "#ffffff",
    "ink": "#1b2024",
    "quiet": "#565e66",
    "hair": "#dedfda",
    "edge": "#82898f",
    "accent": "#0b5f66",
    "wash": "#eef4f3",
    "normal": "#2f6ca8",
    "anomaly": "#bd4518",
    "s0": "#1c4f82",
    "s1": "#b8471f",
    "s2": "#2c7a4b",
    "s3": "#7d4ba3",
    "s4": "#8f6500",
    "s5": "#00768a",
    "s6": "#ad3568",
    "s7": "#5b6067",
}
DARK = {
    "page": "#14181b",
    "card": "#1b2024",
    "ink": "#e7e8e4",
    "quiet": "#a6aeb5",
    "hair": "#31383e",
    "edge": "#7c858d",
    "accent": "#6fc3c6",
    "wash": "#1d2a2c",
    "normal": "#79b1ea",
    "anomaly": "#f28e52",
    "s0": "#7fb2e8",
    "s1": "#f09468",
    "s2": "#6fc48d",
    "s3": "#c39be6",
    "s4": "#d9ad4a",
    "s5": "#55c3d4",
    "s6": "#ee8bb5",
    "s7": "#aeb5bb",
}
TEXT = ("ink", "quiet", "accent")
LINES = ("edge", "normal", "anomaly", *(f"s{i}" for i in range(8)))
SURFACES = ("page", "card", "wash")

# Lines differ by their dashes as well as by colour.
DASHES = ("none", "7 3", "2 2.5", "9 3 2 3", "4 2", "12 3", "1 3", "6 2 1 2 1 2")


def series(number: int) -> str:
    """Return the class of the line of one system or model among several."""
    return f"s{number % len(DASHES)}"


def sheet() -> str:
    """Return the style sheet."""
    lines = "".join(
        f".s{i}{{stroke:var(--s{i});stroke-dasharray:{dash}}}.f{i}{{fill:var(--s{i})}}\n"
        for i, dash in enumerate(DASHES)
    )
    return (
        f":root{{color-scheme:light dark;{_tokens(LIGHT)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{_tokens(DARK)}}}}}\n"
        f"{_PAGE}{_TABLES}{_CHARTS}{lines}{_CLIPS}{_PRINT}"
    )


def _tokens(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


_PAGE = """
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:1rem;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);line-height:1.55;
  font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
a{color:var(--accent);text-underline-offset:.2em}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:1rem;z-index:2;background:var(--card);padding:.5rem 1rem}
.frame{max-width:78rem;margin:0 auto;padding:0 clamp(1rem,4vw,2.5rem) 4rem}
h1,h2,h3,h4{line-height:1.2;text-wrap:balance;overflow-wrap:anywhere}
h1{font-size:clamp(1.7rem,5vw,2.5rem);font-weight:650;letter-spacing:-.02em;margin:0 0 .5rem}
h2{font-size:1.5rem;font-weight:650;letter-spacing:-.01em;margin:0 0 .75rem}
h3{font-size:1.1rem;font-weight:650;margin:2.25rem 0 .75rem}
h4{font-size:.95rem;font-weight:600;margin:1.5rem 0 .5rem}
p{max-width:68ch;margin:.5rem 0 1rem}
header{padding:clamp(2rem,6vw,4rem) 0 1.5rem}
.eyebrow{margin:0 0 .6rem;color:var(--quiet);font-size:.8rem;letter-spacing:.08em;
  text-transform:uppercase}
.facts{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:1.25rem 0 0;padding:0;list-style:none;
  color:var(--quiet)}
.facts strong{color:var(--ink);font-variant-numeric:tabular-nums}
nav{position:sticky;top:0;z-index:1;background:var(--page);border-bottom:1px solid var(--hair)}
nav ul{display:flex;gap:1.5rem;margin:0;padding:.7rem 0;list-style:none;overflow-x:auto}
nav a{white-space:nowrap;text-decoration:none;font-size:.92rem;padding:.3rem 0}
nav a:hover{text-decoration:underline}
main>section{padding:2.75rem 0 .5rem;scroll-margin-top:2.5rem}
main>section+section{border-top:1px solid var(--hair)}
.reading{font-size:1.06rem;max-width:74ch;margin:1.5rem 0}
.quiet,figcaption,.note{color:var(--quiet)}
.note{border-left:3px solid var(--hair);padding-left:.9rem;font-size:.92rem}
code{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;font-size:.88em;
  overflow-wrap:anywhere}
details{margin:.75rem 0}
summary{cursor:pointer;color:var(--accent);padding:.35rem 0;width:fit-content}
footer{margin-top:3rem;padding-top:1.25rem;border-top:1px solid var(--hair);color:var(--quiet);
  font-size:.9rem}
"""

_TABLES = """
.scroll{overflow-x:auto;margin:1rem 0;border:1px solid var(--hair);border-radius:8px;
  background:var(--card)}
table{border-collapse:separate;border-spacing:0;width:100%;font-variant-numeric:tabular-nums;font-size:.94rem}
caption{text-align:left;padding:.8rem 1rem .2rem;color:var(--quiet);font-size:.88rem}
caption span{display:block;position:sticky;left:1rem;max-width:min(80ch,calc(100vw - 5rem))}
th,td{padding:.55rem 1rem;text-align:right;vertical-align:top;white-space:nowrap}
th:first-child,td:first-child,.words th,.words td{text-align:left}
.words td{white-space:normal;overflow-wrap:anywhere;min-width:6rem}
thead th{font-weight:600;border-bottom:1px solid var(--edge);vertical-align:bottom}
tbody th{font-weight:500}
tr>th:first-child{position:sticky;left:0;background:var(--card)}
thead th:first-child{z-index:1}
.words tr>th:first-child{position:static;width:32%}
tbody tr+tr>*{border-top:1px solid var(--hair)}
tfoot>tr>*{border-top:1px solid var(--edge);font-weight:600}
td small,th small{display:block;font-weight:400;color:var(--quiet);font-size:.8rem;
  line-height:1.45}
td.best{background:var(--wash);box-shadow:inset 0 -2px var(--accent);font-weight:650}
"""

_CHARTS = """
.grid{display:grid;gap:1.25rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));
  margin:.75rem 0}
figure{margin:0;padding:1rem;border:1px solid var(--hair);border-radius:8px;background:var(--card);
  min-width:0;break-inside:avoid}
figure h4{margin:0 0 .5rem}
figcaption span{display:block}
figcaption{font-size:.85rem;line-height:1.45;margin-top:.5rem;overflow-wrap:anywhere}
svg{display:block;width:100%;height:auto;max-width:30rem;margin:0 auto;overflow:visible}
svg text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;
  fill:var(--ink);font-variant-numeric:tabular-nums}
svg .tick,svg .axis,svg .aside{fill:var(--quiet)}
svg .strong{font-weight:650;paint-order:stroke;stroke:var(--card);stroke-width:4px}
svg .middle{text-anchor:middle}
svg .end{text-anchor:end}
svg .grid{stroke:var(--hair);stroke-width:1}
svg .base{stroke:var(--edge);stroke-width:1}
svg .guess{stroke:var(--edge);stroke-width:1}
svg .cut{stroke:var(--ink);stroke-width:1.5}
svg .line{fill:none;stroke-width:1.8;stroke-linejoin:round}
svg .whisker{stroke-width:2;stroke-dasharray:none}
svg rect.normal,svg circle.normal{fill:var(--normal)}
svg rect.anomaly{fill:var(--anomaly)}
svg rect.unknown{fill:var(--edge)}
svg circle.open{fill:none;stroke:var(--normal);stroke-width:1.4}
svg .cross{fill:none;stroke-width:1.5;stroke:var(--anomaly)}
svg circle.unknown{fill:var(--edge)}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin:.6rem 0 0;padding:0;list-style:none;
  font-size:.85rem}
.legend li{display:flex;align-items:center;gap:.45rem;min-width:0;overflow-wrap:anywhere}
.legend svg{width:1.75rem;height:.9rem;margin:0;flex:none}
"""

_CLIPS = """
.reason{display:block;width:100%;height:auto;border-radius:4px}
.clip img{display:block;width:100%;height:8rem;border-radius:4px;object-fit:fill}
.clip audio{display:block;width:100%;margin-top:.6rem;height:2.4rem}
.clip .why{margin:0 0 .6rem;font-size:.9rem}
.clip dl{display:grid;grid-template-columns:auto 1fr;gap:.1rem .8rem;margin:.6rem 0 0;
  font-size:.85rem}
.clip dt{color:var(--quiet)}
.clip dd{margin:0;overflow-wrap:anywhere}
.tag{display:inline-block;border:1px solid currentColor;border-radius:99px;padding:0 .6em;
  font-size:.8rem;font-weight:600;line-height:1.5}
.tag.normal{color:var(--normal)}
.tag.anomaly{color:var(--anomaly)}
"""

_PRINT = """
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
@media print{
:root{color-scheme:light;--page:#fff}
nav,.clip audio,.skip{display:none}
details::details-content{content-visibility:visible;height:auto}
summary{list-style:none;color:var(--ink);font-weight:600;break-after:avoid}
th,td{padding:.25rem .4rem;font-size:.7rem}
thead th{white-space:normal}
.scroll{overflow:visible}
main>section{break-before:auto}
h2,h3,h4{break-after:avoid}
tr{break-inside:avoid}
}
"""
