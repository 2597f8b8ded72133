"""The page of `--html`: one file that needs nothing else, dark and light, narrow and wide."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from html import escape
from pathlib import Path

from azure_postgres_cdc.operations.stack import Form
from azure_postgres_cdc.operations.watch import plot, words
from azure_postgres_cdc.operations.watch.history import History
from azure_postgres_cdc.operations.watch.plot import Plot
from azure_postgres_cdc.operations.watch.sample import State

_STYLE = """
:root { color-scheme: light dark; --page: #f6f8fa; --card: #fff; --ink: #1f2328; --soft: #57606a;
 --edge: #d0d7de; --line: #0969da; --read: #116329; --unread: #7d4e00; --lost: #a40e26; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --card: #161b22; --ink: #e6edf3;
 --soft: #9da7b3; --edge: #30363d; --line: #58a6ff; --read: #56d364; --unread: #e3b341;
 --lost: #ff8182; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1600px; padding: 1rem; background: var(--page);
 color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1.1rem; margin: 0; }
h1, h2, p { overflow-wrap: anywhere; }
p { margin: .25rem 0; } header p, .axis, dt { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--edge); border-radius: 8px;
 padding: 1rem; margin-top: 1rem; }
section.lost { border: 2px solid var(--lost); }
.read { color: var(--read); } .unread, .silent { color: var(--unread); }
.lost .state { color: var(--lost); }
.state { font-weight: 600; }
dl { display: grid; gap: .5rem 1.5rem; margin: .75rem 0;
 grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); }
dl div { min-width: 0; } dt { font-size: .85rem; } dd { margin: 0; font-size: 1.15rem; }
dd, figcaption b { font-variant-numeric: tabular-nums; }
.plots { display: grid; gap: 1.25rem;
 grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); }
figure { margin: 0; min-width: 0; }
figcaption { display: flex; justify-content: space-between; gap: 1rem; }
.plot { position: relative; margin: .5rem 0 0 3.25rem; height: 10rem; padding-bottom: 1.5rem; }
svg { display: block; width: 100%; height: 100%; overflow: visible; }
.y, .x { position: absolute; color: var(--soft); font-size: .8rem;
 font-variant-numeric: tabular-nums; }
.y { left: -3.25rem; width: 2.75rem; top: 0; bottom: 1.5rem; text-align: right; }
.y span { position: absolute; right: 0; transform: translateY(50%); }
.x { left: 0; right: 0; bottom: 0; height: 1.25rem; }
.x span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.axis { text-align: center; font-size: .8rem; margin: 0 0 0 3.25rem; }
path { fill: none; vector-effect: non-scaling-stroke; }
.grid { stroke: var(--edge); } .line { stroke: var(--line); stroke-width: 2;
 stroke-linecap: round; stroke-linejoin: round; } .line.dashed { stroke-dasharray: 5 5; }
.area { fill: var(--line); opacity: .15; }
"""
_CLASSES = {
    State.READ: "read",
    State.UNREAD: "unread",
    State.LOST: "lost",
    State.NOT_YET: "silent",
    State.SILENT: "silent",
}


def page(stack: str, histories: Mapping[Form, History], refresh: float | None) -> str:
    """The whole page. `refresh`: the seconds after which a browser asks again; None at the end."""
    seen = {form: history for form, history in histories.items() if history.samples}
    again = f'<meta http-equiv="refresh" content="{max(1, round(refresh))}">\n' if refresh else ""
    head = escape(f"Replication slots of stack {stack}")
    sections = "\n".join(
        _section(form, history, f"slot{number}")
        for number, (form, history) in enumerate(seen.items(), 1)
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{again}<title>{head}</title>
<style>{_STYLE}</style>
</head>
<body>
<header><h1>{head}</h1>
<p>{escape(_time_range(seen, is_over=refresh is None))}</p></header>
<main>
{sections}
</main>
</body>
</html>
"""


def write(file: Path, text: str) -> None:
    """In one go: whoever reads the file meanwhile gets the old page or the new one."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _section(form: Form, history: History, identity: str) -> str:
    last, kind = history.last, _CLASSES[history.last.state]
    name = escape(f"{form.database}, slot {form.slot}")
    said = [f'<p class="state {kind}">{escape(words.state(history)[0])}</p>']
    if last.trouble:
        said.append(f"<p>{escape(_sentence(last.trouble))}.</p>")
    if history.answered is not None:
        said += [f"<p>{escape(text)}</p>" for text in words.danger(history)[:1]]
        if last.state != State.LOST:
            said.append(f"<p>{escape(_sentence(words.outlook(history)[0]))}.</p>")
        if history.answered is not last:
            said.append(f"<p>Last seen at {words.clock(history.answered.at)}:</p>")
        said.append(_values(history))
        said.append(_plots(history, identity))
    lines = "\n".join(said)
    return f'<section class="{kind if kind == "lost" else ""}"><h2>{name}</h2>\n{lines}</section>'


def _values(history: History) -> str:
    last = history.answered
    if last is None:
        return ""
    found = {
        "lag": words.amount(last.lag_bytes),
        "lag in time": words.behind(last.behind),
        "retained WAL": words.amount(last.retained_bytes),
        "WAL written": words.rate(history.written_rates()[-1]),
        "storage free": words.amount(last.free_bytes),
    }
    pairs = "".join(
        f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>"
        for name, value in found.items()
        if value != words.UNKNOWN
    )
    return f"<dl>{pairs}</dl>"


def _plots(history: History, identity: str) -> str:
    last, samples, outlook = history.answered, history.samples, history.outlook()
    if last is None:
        return ""
    rate = outlook.rate
    grows = rate if rate is not None and history.last.state != State.LOST else None
    plots = (
        Plot(
            "lag",
            [(item.at, item.lag_bytes) for item in samples],
            words.amount(last.lag_bytes),
        ),
        Plot(
            "lag in time",
            [(item.at, item.behind.seconds if item.behind else None) for item in samples],
            words.behind(last.behind),
            is_time=True,
        ),
        Plot(
            "retained WAL",
            [(item.at, item.retained_bytes) for item in samples],
            words.amount(last.retained_bytes),
            growth=grows,
        ),
    )
    figures = "\n".join(
        plot.html(item, f"{identity}-{number}") for number, item in enumerate(plots, 1)
    )
    return f'<div class="plots">{figures}</div>'


def _time_range(seen: Mapping[Form, History], *, is_over: bool) -> str:
    times = [item.at for history in seen.values() for item in history.samples]
    if not times:
        return "not looked at yet"
    first, last = words.date_and_time(min(times)), words.date_and_time(max(times))
    return f"Watched from {first} to {last}" + ("." if is_over else ", and going on.")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
