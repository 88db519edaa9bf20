"""How every verb shows its help: common options first, advanced ones by `--help-all`.

A verb is made by `command`, an option that few people need by `option(..., advanced=True)`. Of a
help text, what follows a form feed (`\\f`) is shown by `--help-all` only.
"""

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import click

from lpie.cli.format import echo

Decorator = Callable[..., Any]
NUMBERS = (type(click.INT), type(click.FLOAT))
_ALL = "lpie.help_all"


class Option(click.Option):
    """An option that may be advanced, and may have older names that still work, unseen.

    Args:
        names: Its flags and the name of its parameter.
        advanced: Whether only `--help-all` explains it; `--help` lists its name.
        old: Older flags that work but are not shown.
        **settings: What `click.Option` takes.
    """

    def __init__(
        self, names: Any, *, advanced: bool = False, old: tuple[str, ...] = (), **settings: Any
    ) -> None:
        super().__init__([*names, *old], **settings)
        self.advanced = advanced
        self._old = old

    @property
    def flag(self) -> str:
        """Its longest flag that is not an older one."""
        return max((name for name in self.opts if name not in self._old), key=len)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of the help, without the older names."""
        opts = self.opts
        self.opts = [name for name in opts if name not in self._old]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = opts


class Command(click.Command):
    """A verb whose `--help` fits a screen; `--help-all` shows everything."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        for parameter in self.params:
            if parameter.metavar is None and isinstance(parameter.type, NUMBERS):
                parameter.metavar = "N"
        has_more = "\f" in (self.help or "") or any(map(_is_advanced, self.params))
        self.params.append(
            click.Option(
                ["--help-all"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                hidden=not has_more,
                callback=_show_all,
                help="Explain all options, and exit.",
            )
        )

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the text, up to the form feed unless all of it was asked for."""
        parts = inspect.cleandoc(self.help or "").split("\f")
        shown = parts if ctx.meta.get(_ALL) else parts[:1]
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text("\n\n".join(part.strip("\n") for part in shown))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the common options, then the advanced ones or their names."""
        rows: dict[bool, list[tuple[str, str]]] = {False: [], True: []}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None and not isinstance(parameter, click.Argument):
                rows[_is_advanced(parameter)].append(row)
        with formatter.section("Options"):
            formatter.write_dl(rows[False])
        if rows[True] and ctx.meta.get(_ALL):
            with formatter.section("Advanced options"):
                formatter.write_dl(rows[True])
        elif rows[True]:
            self._name_advanced(ctx, formatter)

    def _name_advanced(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [p for p in self.get_params(ctx) if isinstance(p, Option) and p.advanced]
        names = ", ".join(option.flag for option in options if not option.hidden)
        line = f"Advanced, explained by `{ctx.command_path} --help-all`: {names}"
        wrapped = textwrap.wrap(
            line, formatter.width, subsequent_indent="  ", break_on_hyphens=False
        )
        formatter.write_paragraph()
        formatter.write("\n".join(wrapped) + "\n")


def command(name: str | None = None, **settings: Any) -> Callable[[Decorator], Command]:
    """Return a decorator that makes a verb of a function, as `click.command` does."""
    return click.command(name, cls=Command, **settings)


def option(*names: str, **settings: Any) -> Decorator:
    """Return a decorator that adds an `Option`."""
    return click.option(*names, cls=Option, **settings)


def _is_advanced(parameter: click.Parameter) -> bool:
    return isinstance(parameter, Option) and parameter.advanced


def _show_all(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.meta[_ALL] = True
        echo(*ctx.get_help().splitlines())
        ctx.exit()
