"""The folder that Google Play delivers by device: a file compiled for each chip, and one for all
other phones (https://developer.android.com/google/play/on-device-ai)."""

from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

from lpie.errors import InputError
from lpie.npu.chips import MANUFACTURER, NpuChip
from lpie.system.files import write_atomic

PACK, MODEL = "lpie_model", "model.tflite"
TARGETING = "device_targeting_configuration.xml"
# Phones name either as the maker of their chip.
MAKERS = (MANUFACTURER, "QTI")


def check_ai_pack(folder: Path, chips: list[NpuChip], *, overwrite: bool) -> None:
    """Refuse a folder that holds another pack, without `overwrite`, or chips that no phone has."""
    if not chips:
        raise InputError("--ai-pack needs chips to compile for. Try --npu SM8650.")
    if not any(chip.mobile for chip in chips):
        raise InputError(
            f"--ai-pack is for phones, and {chips[0].soc} is in cars or on boards. "
            "Try --npu SM8650."
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--ai-pack must be a folder. Received: {folder}, which is a file.")
    if (folder / TARGETING).exists() and not overwrite:
        raise InputError(
            f"{folder / TARGETING} exists already. Choose another folder or add --force."
        )


def write_ai_pack(folder: Path, whole: Path, compiled: Mapping[NpuChip, Path]) -> list[Path]:
    """Write the pack; the paths of its files.

    whole: the file for phones of other chips. compiled: the file for each chip; those of cars and
    boards are left out.
    """
    compiled = {chip: path for chip, path in compiled.items() if chip.mobile}
    assets = folder / PACK / "src" / "main" / "assets"
    sources = {f"{MANUFACTURER}_{chip.soc}": path for chip, path in compiled.items()}
    sources["other"] = whole
    written = []
    for group, source in sources.items():
        target = assets / f"model#group_{group}" / MODEL
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, source.read_bytes())
        written.append(target)
    targeting = folder / TARGETING
    write_atomic(targeting, targeting_xml([*compiled]))
    return [*written, targeting]


def targeting_xml(chips: list[NpuChip]) -> str:
    """Which phones belong to the group of each chip."""
    groups = []
    for chip in chips:
        selectors = "\n".join(
            f"        <config:device-selector>\n"
            f"            <config:system-on-chip manufacturer={quoteattr(maker)} "
            f"model={quoteattr(chip.soc)}/>\n"
            f"        </config:device-selector>"
            for maker in MAKERS
        )
        name = quoteattr(f"{MANUFACTURER}_{chip.soc}")
        groups.append(
            f"    <config:device-group name={name}>\n{selectors}\n    </config:device-group>"
        )
    body = "\n".join(groups)
    return (
        "<config:device-targeting-config\n"
        '    xmlns:config="http://schemas.android.com/apk/config">\n'
        f"{body}\n"
        "</config:device-targeting-config>"
    )
