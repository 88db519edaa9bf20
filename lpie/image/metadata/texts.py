"""Texts and IPTC in a format that has no place of its own for them: they go to XMP."""

from collections.abc import Sequence

from lpie.image.metadata import exif, iptc, rdf
from lpie.image.metadata.metadata import Metadata, Text

COMMENT = "Comment"
# PNG's keywords and the XMP properties that hold the same.
PROPERTIES = {
    "Title": ("dc", "title"),
    "Description": ("dc", "description"),
    "Author": ("dc", "creator"),
    "Copyright": ("dc", "rights"),
    "Software": ("xmp", "CreatorTool"),
}
USER_COMMENT = ("exif", "UserComment")


def as_comment(text: Text) -> str:
    """A text as a comment in a format that knows no keywords."""
    return text.value if text.keyword == COMMENT else f"{text.keyword}: {text.value}"


def in_xmp(metadata: Metadata, *, comments: bool) -> tuple[Metadata, list[str]]:
    """(`metadata` with its texts in XMP, what is lost).

    comments: whether comments go there as well; otherwise they stay `texts`, as does all that has
    no property or whose property says something already.
    """
    if not metadata.texts:
        return metadata, []
    taken = rdf.held(metadata.xmp)
    properties: dict[tuple[str, str], list[str]] = {}
    left: list[Text] = []
    for text in metadata.texts:
        name = PROPERTIES.get(text.keyword)
        if name and name not in taken:
            taken.add(name)
            properties[name] = [text.value]
        else:
            left.append(text)
    if comments and left and USER_COMMENT not in taken:
        properties[USER_COMMENT] = ["\n".join(map(as_comment, left))]
        left = []
    lost = ["comment"] if comments and left else []
    return _with(metadata.with_(texts=tuple(left)), properties, lost, "text")


def iptc_in_xmp(metadata: Metadata) -> tuple[Metadata, list[str]]:
    """(`metadata` with IPTC's texts in XMP, what is lost)."""
    if not metadata.iptc:
        return metadata, []
    properties, left = iptc.as_properties(metadata.iptc)
    taken = rdf.held(metadata.xmp)
    new = {name: values for name, values in properties.items() if name not in taken}
    left = left or any(
        not rdf.contains(metadata.xmp, value)
        for name in taken & set(properties)
        for value in properties[name]
    )
    return _with(metadata.with_(iptc=b""), new, ["parts of IPTC"] * left, "IPTC")


def all_in_xmp(metadata: Metadata) -> tuple[Metadata, list[str]]:
    """(`metadata` for a format that holds EXIF, XMP and a profile only, what is lost)."""
    lost = ["Photoshop data"] if metadata.photoshop else []
    metadata, names = iptc_in_xmp(metadata)
    metadata, more = in_xmp(metadata, comments=True)
    if metadata.dpi and not exif.resolution_in(metadata.exif):
        block = exif.with_tags(metadata.exif, exif.resolution_entries(metadata.dpi))
        metadata = metadata.with_(exif=block)
    return metadata, [*lost, *names, *more]


def _with(
    metadata: Metadata,
    properties: dict[tuple[str, str], list[str]],
    lost: Sequence[str],
    name: str,
) -> tuple[Metadata, list[str]]:
    if not properties:
        return metadata, list(lost)
    if metadata.xmp and not rdf.readable(metadata.xmp):
        return metadata, [*lost, name]
    return metadata.with_(xmp=rdf.with_texts(metadata.xmp, properties)), list(lost)
