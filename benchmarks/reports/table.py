"""Tables in HTML and Markdown, and values out of untrusted files as text for their cells."""

import html
from collections.abc import Sequence
from typing import Any, TypeGuard


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, words: int) -> str:
    """Return a `<table>` of `rows` of cells that already are HTML.

    The last cell of a row that ends early spans the rest. words: how many columns, counted from
    the left, hold words; the others hold numbers.
    """
    kinds = ["" if i < words else ' class="n"' for i in range(len(head))]
    top = "".join(
        f'<th scope="col" role="columnheader"{kind}>{name}</th>'
        for name, kind in zip(head, kinds, strict=True)
    )
    body = "".join(f'<tr role="row">{_cells(row, head, kinds)}</tr>' for row in rows)
    # The roles are the elements' own; browsers forget them where the style sheet makes cards.
    return (
        f'<table role="table"><caption>{caption}</caption>'
        f'<thead role="rowgroup"><tr role="row">{top}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def badge(word: str, kind: str, tip: str) -> str:
    """Return a word as HTML, coloured by kind, which explains itself in a tooltip.

    kind: `good`, `doubtful` or `bad`. word, tip: plain text.
    """
    shown = f'<span class="tip" role="tooltip">{text(tip)}</span>'
    return f'<span class="badge {kind}" tabindex="0">{text(word)}{shown}</span>'


def markdown(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    words: int = 1,
    aligned: bool = True,
) -> str:
    """Return a Markdown table.

    words: how many columns, counted from the left, are aligned to the left. aligned: pad the cells,
    so that the table reads well in a terminal too.
    """
    columns = zip(header, *rows, strict=True)
    widths = [max(map(len, column)) if aligned else 0 for column in columns]
    rule = [
        "-" * (width or 3) if i < words else "-" * ((width or 4) - 1) + ":"
        for i, width in enumerate(widths)
    ]
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if i < words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in (header, rule, *rows)
    )


def text(value: object) -> str:
    """Return `value` as HTML text; an en dash for None."""
    return "\N{EN DASH}" if value is None else html.escape(str(value))


def number(value: object, digits: int) -> str:
    """Return `value` with `digits` decimals; anything but a finite number as `text` does."""
    return f"{value:,.{digits}f}" if finite(value) else text(value)


def finite(value: object) -> TypeGuard[float]:
    """Whether `value` is a number to calculate and draw with: real, finite, not absurdly large."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e100


def gain(record: dict[str, Any]) -> float | None:
    """Return how much PSNR rose by restoring, in dB, where `record` has both scores."""
    before, after = record.get("degraded_psnr_db"), record.get("psnr_db")
    return after - before if finite(before) and finite(after) else None


def _cells(row: Sequence[str], head: Sequence[str], kinds: Sequence[str]) -> str:
    spans = [""] * len(row)
    if len(row) < len(head):
        spans[-1] = f' colspan="{len(head) - len(row) + 1}"'
    return "".join(
        f'<td role="cell"{span or kind} data-label="{name}"><div>{cell}</div></td>'
        for cell, name, kind, span in zip(row, head, kinds, spans, strict=False)
    )
