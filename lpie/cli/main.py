"""The `lpie` command: names each verb's module and imports it when it is called."""

import difflib
import importlib
import io
import logging
import os
import re
import signal
import sys
import warnings
from typing import Any

import click

from lpie import __version__
from lpie.cli.options import Command
from lpie.errors import LpieError, with_flags
from lpie.printable import printable
from lpie.system.files import sentence, use_temporary_folder
from lpie.system.signals import leave_by_signals

# verb: (module, the line that `lpie --help` shows)
COMMANDS = {
    "train": ("lpie.cli.training.train", "Train a network, or resume its training."),
    "quantize-aware": (
        "lpie.cli.training.train",
        "Fine-tune with quantization-aware training (QAT).",
    ),
    "compress": (
        "lpie.cli.training.train",
        "Fine-tune with pruning or weight clustering, for smaller packages.",
    ),
    "evaluate": ("lpie.cli.evaluate", "Measure PSNR and SSIM of a model on photos."),
    "restore": ("lpie.cli.restore", "Restore photos of any size."),
    "export": ("lpie.cli.export.export", "Export a network to a verified .tflite file."),
    "inspect": (
        "lpie.cli.export.inspect",
        "Show what a .tflite file contains and which delegates run it.",
    ),
    "verify": (
        "lpie.cli.export.verify",
        "Compare a .tflite file with its network, in several runtimes.",
    ),
    "bench": ("lpie.cli.benchmark.bench", "Time .tflite files on this machine or on phones."),
    "compare": (
        "lpie.cli.benchmark.compare",
        "Compare two measurements: faster, slower or no difference.",
    ),
    "predict": (
        "lpie.cli.benchmark.predict",
        "Estimate how long a .tflite file takes on a phone.",
    ),
    "serve": (
        "lpie.cli.serve",
        "Serve a page that restores and measures in any browser.",
    ),
    "report": (
        "lpie.cli.benchmark.report",
        "Write an HTML page about a run or about measurements.",
    ),
    "data": ("lpie.cli.training.data", "Cut data sets into patches for fast training."),
    "models": (
        "lpie.cli.training.models",
        "List the networks, their cost and the pretrained weights.",
    ),
    "import-weights": (
        "lpie.cli.training.import_weights",
        "Convert released PyTorch weights to a Keras model.",
    ),
    "demo": ("lpie.cli.demo", "Train, restore, export, verify, time and report, in minutes."),
}


class SuggestingGroup(click.Group):
    """A group that answers an unknown command with the nearest one."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            commands = self.list_commands(ctx)
            near = difflib.get_close_matches(name, commands, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"Commands: {', '.join(commands)}."
            raise click.UsageError(f"No such command {name!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)


class _Verbs(SuggestingGroup):
    """Loads a verb's module when it is called, so that `--help` stays fast and light."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        return getattr(module, cmd_name.replace("-", "_"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="lpie")
def lpie() -> None:
    """Restore photos, and train, export, verify and time networks that restore them on phones.

    \b
    Examples:
      lpie demo --photo photo.jpg         (if no noisy photo is at hand)
      lpie restore denoise photo.jpg
      lpie train configs/smoke.toml --workdir runs/smoke
      lpie export runs/smoke --recipe int8 --size fhd
      lpie demo
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; exits with 0 (success), 1 (failure) or 2 (wrong usage)."""
    leave_by_signals()
    use_temporary_folder()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages
    _keep_libraries_quiet()
    message, code = _run(arguments)
    # Printed only now that the error is gone, and with it the progress bars that it held open.
    if message:
        click.echo(f"Error: {printable(message, lines=True)}", err=True)
    sys.exit(code)


def _keep_libraries_quiet() -> None:
    """Show no warning of a library, which is about its code and not about what was typed.

    Python's own options (`-W`, PYTHONWARNINGS) bring them back.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.lastResort = None  # where records of loggers without a handler go


def _run(arguments: list[str] | None) -> tuple[str, int]:
    """(error message or "", exit code)."""
    try:
        lpie.main(args=arguments, prog_name="lpie", standalone_mode=False)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(file=shown)
        for line in shown.getvalue().splitlines():
            click.echo(printable(line), err=True)
        return "", error.exit_code
    except click.exceptions.Exit as stop:
        return "", stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        return "Stopped.", 130
    except LpieError as error:
        return with_flags(str(error), _flags(arguments)), error.exit_code
    except BrokenPipeError:  # as of `lpie models | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes again at its end
        return "", 128 + signal.SIGPIPE
    except OSError as error:
        return str(sentence(error)), 1
    except MemoryError:
        return "The machine ran out of memory. Choose a smaller size or tile.", 1
    return "", 0


def _flags(arguments: list[str] | None) -> dict[str, str]:
    """The flag, or the name of the argument in the help, that sets each parameter of the verb
    that was typed."""
    words = sys.argv[1:] if arguments is None else arguments
    command: click.Command | None = lpie
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word)
    if command is None or command is lpie:
        return {}
    flags, typed_flags = {}, {word.partition("=")[0] for word in words}
    for parameter in command.params:
        typed = [flag for flag in parameter.opts if flag in typed_flags]
        long = [flag for flag in parameter.opts if flag.startswith("--")]
        name = str(parameter.name)
        if isinstance(parameter, click.Argument):
            flags[name] = re.findall(r"[A-Z_]+", parameter.metavar or name.upper())[-1]
        else:
            flags[name] = [*typed, *long, *parameter.opts][0]
    return flags
