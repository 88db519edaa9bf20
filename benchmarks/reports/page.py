"""The frame of the self-contained HTML pages: title, summary, sections, footer."""

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

import lpie
from lpie.benchmarks.reports.table import text
from lpie.system.files import write_atomic


def headline(value: str, caption: str) -> str:
    """Return the one number that a section is about, large. value, caption: plain text."""
    return f'<p class="headline"><strong>{text(value)}</strong> <span>{text(caption)}</span></p>'


def figures(drawings: Iterable[tuple[str, str]]) -> str:
    """Return drawings, (caption, `<svg>`) each, side by side; nothing for none."""
    shown = "".join(
        f"<figure><figcaption>{text(caption)}</figcaption>{drawing}</figure>"
        for caption, drawing in drawings
    )
    return f'<div class="charts">{shown}</div>' if shown else ""


def write_page(
    out: Path,
    *,
    title: str,
    summary: str,
    sections: Mapping[str, str],
    headings: Mapping[str, str],
    today: datetime.date | None = None,
) -> None:
    """Write the page to `out`: sections by their ids, under the headings of the same ids.

    title: plain text. summary, sections: HTML. today: the date in the footer; None is the current
    one.
    """
    body = "\n".join(
        f'<section aria-labelledby="{name}"><h2 id="{name}">{headings[name]}</h2>\n{section}\n'
        "</section>"
        for name, section in sections.items()
    )
    page = Template(Path(__file__).with_name("page.html").read_text("utf-8")).substitute(
        title=text(title),
        summary=summary,
        sections=body,
        footer=f"Written by lpie {lpie.__version__} on {today or datetime.date.today()}.",
    )
    # A lone surrogate, from JSON or a file's name, has no UTF-8.
    write_atomic(out, page.encode("utf-8", "replace"))
