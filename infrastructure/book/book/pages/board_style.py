"""How the scoreboard's page looks: in light and dark, from a phone to a wide screen.

Prevents a page that scrolls sideways or a figure that nobody can read: text keeps a contrast of
4.5 to 1, and twelve columns fit 400 pixels, with the words that are hidden there told in a legend.
"""

from __future__ import annotations

LAYOUT = """
:root { color-scheme: light dark; --page: #fff; --text: #24292f; --line: #d0d7de; --quiet: #57606a;
  --link: #0550ae; --yes: #116329; --yesbox: #dafbe1; --no: #a40e26; --nobox: #ffebe9;
  --rail: #eef1f4; --yesbar: #1a7f37; --nobar: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --text: #e6edf3; --line: #3d444d;
  --quiet: #9198a1; --link: #79c0ff; --yes: #7ee787; --yesbox: #12361e; --no: #ffa198;
  --nobox: #3d1a1d; --rail: #21262d; --yesbar: #3fb950; --nobar: #f85149; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 1rem; background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.25; } h2, section { margin-top: 2.5rem; }
p { max-width: 46rem; } a { color: var(--link); }
small, .quiet { color: var(--quiet); font-size: .875rem; font-weight: 400; }
.box { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { font-size: .875rem; line-height: 1.4; border-spacing: 2px; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { padding: .4rem .6rem; text-align: left; vertical-align: top; }
.stairs { width: 100%; } .stairs thead th { vertical-align: bottom; }
.stairs td, thead .step { width: calc(100% / var(--columns)); }
.stairs tbody th { padding-top: .75rem; }
.stairs tbody th div { position: sticky; left: .6rem; max-width: calc(100vw - 4rem); }
.stairs th small { margin-left: .5rem; }
.group { font-weight: 400; border-bottom: 2px solid var(--line); }
td.holds { background: var(--yesbox); } td.misses, td.crashed { background: var(--nobox); }
td.missing, td.unjudged, td.skipped { background: var(--rail); } td.missing { color: var(--quiet); }
td.unjudged { outline: 1px dashed var(--quiet); outline-offset: -2px; }
b.holds, .holds b { color: var(--yes); }
b.misses, .misses b, .crashed b { color: var(--no); }
.figure { font-size: 1.125em; font-variant-numeric: tabular-nums; }
.why, .stairs td small { display: block; } .stairs td small { color: inherit; }
.many td, .many thead th { padding: .3rem; } thead .wide { display: block; }
.many thead th { font-size: .8125rem; padding-right: 0; }
.legend { display: none; margin-bottom: 1rem; font-size: .875rem; }
.sides { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 2.5rem; }
.checks { margin: 0; padding: 0; list-style: none; }
.check { margin: .75rem 0 .25rem; font-weight: 600; }
.pair { display: grid; grid-template-columns: 13rem minmax(0, 1fr) 10rem; gap: 0 .75rem;
  font-size: .875rem; }
.pair b { grid-area: 1 / 3; } .pair svg { grid-area: 1 / 2; display: block; margin-top: .1rem; }
.rail { fill: var(--rail); } .good { fill: var(--yesbox); }
.holds .bar { fill: var(--yesbar); } .misses .bar { fill: var(--nobar); }
.limit, .cut { stroke: var(--text); stroke-width: 2; } .cut { fill: none; stroke: var(--page); }
.figures th, .figures td { padding: .1rem .6rem .1rem 0; font-variant-numeric: tabular-nums; }
.figures tbody th { color: var(--quiet); font-weight: 400; white-space: nowrap; }
pre { margin: .5rem 0; padding: .75rem; border: 1px solid var(--line); border-radius: 6px;
  white-space: pre-wrap; font: .8125rem/1.45 ui-monospace, Consolas, monospace; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 1rem; } dd { margin: 0; }
@media (max-width: 60rem) { .sides { grid-template-columns: minmax(0, 1fr); gap: 1rem; } }
.each li { margin: .25rem 0; } summary { cursor: pointer; color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
@media (max-width: 60rem) { .many .group { display: none; } .legend { display: block; }
  .many .wide { position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); }
  .many td, .many thead th { padding: .2rem 0; text-align: center; font-size: .6875rem;
    overflow-wrap: normal; position: relative; }
  .many .figure { display: block; font: inherit; letter-spacing: -.04em; } }
@media (max-width: 40rem) { body { padding: .5rem; } table { border-spacing: 1px; }
  .pair { grid-template-columns: minmax(0, 1fr) auto; margin-bottom: .35rem; }
  .pair b { grid-area: 1 / 2; } .pair svg { grid-area: 2 / 1 / 3 / 3; } }
"""
