"""The style sheet of the page, and its colours: light, dark and printed, each readable on its ground."""

from __future__ import annotations

LIGHT = {
    "paper": "#ffffff",
    "card": "#f5f7f9",
    "edge": "#c9d1d9",
    "ink": "#1f2328",
    "dim": "#545b64",
    "red": "#a8201a",
    "amber": "#7a4a00",
    "teal": "#00626b",
    "green": "#17602f",
    "blue": "#134fa3",
    "mark": "#ffe3e0",
    "note": "#dfeaff",
}
DARK = {
    "paper": "#16181c",
    "card": "#1f2329",
    "edge": "#444c56",
    "ink": "#e6e8ea",
    "dim": "#a9b1ba",
    "red": "#ff9a91",
    "amber": "#f0b74a",
    "teal": "#62d2dc",
    "green": "#7fd494",
    "blue": "#92bcff",
    "mark": "#5a2320",
    "note": "#1f3a66",
}
TEXTS = ("ink", "dim", "red", "amber", "teal", "green", "blue")
"""what letters are written in"""
GROUNDS = ("paper", "card")
"""on which any of them stands"""
MARKED = (("ink", "mark"), ("ink", "note"))
"""letters on grounds of their own: what an excerpt speaks of"""


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


_RULES = """
*{box-sizing:border-box}
html{color-scheme:light dark}
body{margin:0 auto;max-width:76rem;padding:1rem;color:var(--ink);background:var(--paper);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
h1,h2,h3{line-height:1.3;margin:0}h1{font-size:1.2rem;font-weight:400}h2{font-size:1.15rem}h3{font-size:1rem;margin-top:1.2rem}
p,ul,dl,table{margin:.5rem 0}ul{padding-left:1.2rem}
a{color:var(--blue)}a:focus-visible,summary:focus-visible,input:focus-visible{outline:3px solid var(--blue);
outline-offset:2px}
.skip{position:absolute;left:-100rem}.skip:focus{position:static}
code,pre{font:.875em/1.45 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{background:var(--card);border-radius:3px;padding:0 .2em}
pre{white-space:pre-wrap;background:var(--card);border:1px solid var(--edge);border-radius:6px;padding:.6rem .8rem}
.band{border:1px solid var(--edge);border-left:.5rem solid var(--dim);border-radius:6px;background:var(--card);
padding:.7rem 1rem}
.band p{margin:.3rem 0 0}.band.error{border-left-color:var(--red)}.band.warning{border-left-color:var(--amber)}
.band.good{border-left-color:var(--green)}
.sign{font-weight:700}
.error>.sign,.error h2 .sign,b.error,.bad{color:var(--red)}
.warning>.sign,.warning h2 .sign,b.warning{color:var(--amber)}
.good{color:var(--green)}.band.good{color:inherit}b.info{color:var(--teal)}.dim,.withdrawn{color:var(--dim)}
.words{color:var(--dim)}
fieldset{border:1px solid var(--edge);border-radius:6px;margin:1rem 0;padding:.3rem .8rem .5rem;display:block}
fieldset label{display:inline-block;margin-right:1.2rem;padding:.2rem 0}
input{width:1.1rem;height:1.1rem;vertical-align:-.15rem}
section{margin:1.2rem 0}.training+.training{border-top:1px solid var(--edge);padding-top:1.2rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));gap:.8rem;margin:.8rem 0}
figure{margin:0;border:1px solid var(--edge);border-radius:6px;padding:.6rem .8rem;min-width:0}
figcaption{margin-bottom:.4rem;font-size:.95em}
svg{max-width:100%}svg.chart,svg.histogram{display:block;width:100%;height:auto}
.pictures{border-collapse:collapse;width:100%;table-layout:fixed;font-size:.8rem;line-height:1.25}
.pictures th{font-weight:400;color:var(--dim);text-align:center;padding:.1rem;
overflow-wrap:normal}
.pictures th[scope=row]{width:4.6rem;text-align:left;padding-right:.3rem}
.pictures td{padding:2px;text-align:center}.pictures svg{width:100%;height:auto;max-height:6rem;display:block;
border:1px solid var(--edge)}
.legend{list-style:none;padding:0;margin:.3rem 0 0;font-size:.85rem}
.excerpt{border:1px solid var(--edge);border-radius:6px;background:var(--card);padding:.4rem 0;margin:.6rem 0}
.excerpt div{display:flex;gap:.8rem;padding:0 .8rem}.excerpt .n{color:var(--dim);font-size:.8em;line-height:1.6;
min-width:2.2rem;text-align:right;
user-select:none}.excerpt code{white-space:pre-wrap;background:none;padding:0;min-width:0}
.excerpt .label{color:var(--ink);font-size:.9em;padding-left:3.8rem}
mark{background:var(--note);color:var(--ink);border-bottom:2px dashed var(--blue)}
mark.own{background:var(--mark);border-bottom:2px solid var(--red)}
.added{color:var(--green)}.removed{color:var(--red)}
.scroll{overflow-x:auto}
table.figures{border-collapse:collapse;width:100%;font-size:.9rem}
.figures td,.figures th{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--edge);
vertical-align:top}
details{border:1px solid var(--edge);border-radius:6px;margin:.5rem 0;padding:.3rem .8rem}
summary{cursor:pointer;font-weight:600}
dt{font-weight:600}dd{margin:0 0 .3rem 1.2rem}
.brief{padding:.5rem 0;border-top:1px solid var(--edge);margin:0}.brief p{margin:.2rem 0}
@supports not selector(:has(*)){fieldset{display:none}}
body:has(#show-error:not(:checked)) .training.error,body:has(#show-warning:not(:checked)) .training.warning,
body:has(#show-sound:not(:checked)) .training.sound,body:has(#show-settled:not(:checked)) .training.settled,
body:has(#show-static:not(:checked)) .training.static{display:none}
@media (max-width:480px){body{padding:.6rem}.excerpt .label{padding-left:.8rem}.pictures th[scope=row]{width:3.4rem}}
@media print{body{max-width:none;padding:0;font-size:10.5pt}fieldset,.skip{display:none}
details{border:0;padding:0}details::details-content{content-visibility:visible;display:block;height:auto}
figure,.excerpt,tr{break-inside:avoid}h2,h3,summary{break-after:avoid}a{color:inherit}
.tiles{grid-template-columns:1fr 1fr}.pictures{font-size:.7rem}p.words{break-after:avoid}}
"""

SHEET = (
    f":root{{{_variables(LIGHT)}}}\n"
    f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}{_RULES}"
)
"""the whole of it; what is printed is light"""
