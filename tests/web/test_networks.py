"""Networks for the page: the table of sizes gives exactly what lpie's own resizing gives."""

import numpy as np
import pytest

from lpie.errors import InputError, LpieError
from lpie.size import Size
from lpie.tflite.model import TfliteModel
from lpie.weights import tflite_file
from tests.web.conftest import golden

pytest.importorskip("uvicorn", reason="needs the extra web")


def placed(network, size):
    """The file with the sizes written where the table says, as network.js does it."""
    words = np.frombuffer(network.model.to_bytes(), np.uint8).copy()
    view = words[: len(words) // 4 * 4].view("<i4")
    for place in network.places:
        numerator, denominator = place.factor
        view[place.at] = getattr(size, place.axis) * numerator // denominator
    return words.tobytes()


@pytest.mark.parametrize("name", ["denoise-s", "denoise-lpienet", "deblur"])
def test_sizes_are_written_where_the_table_says(name):
    from lpie.web.networks import web_network

    network = web_network(name)
    size = Size(network.multiple * 13, network.multiple * 21)
    expected = TfliteModel.read(tflite_file(name)).resized(size)
    assert placed(network, size) == expected.to_bytes()


def test_an_export_of_one_size_runs_at_it_or_at_others(tiny_tflite):
    from lpie.web.networks import web_network

    network = web_network(tiny_tflite["float32"])
    assert network.describe()["input"] == "float32"
    assert network.places


def test_a_file_is_put_into_a_static_site(tiny_tflite, tmp_path):
    from lpie.web.networks import web_network
    from lpie.web.site import RUNTIME, check_site, export_site, put_into_site

    runtime = tmp_path / "runtime"
    runtime.mkdir()
    patch = pytest.MonkeyPatch()
    patch.setattr("lpie.web.site.runtime_folder", lambda packages: runtime)
    export_site([web_network("denoise-s")], tmp_path / "site")
    patch.undo()
    put_into_site(tiny_tflite["float32"], tmp_path / "site")
    put_into_site(tiny_tflite["float32"], tmp_path / "site")
    table = check_site(tmp_path / "site")
    assert [entry["name"] for entry in table["networks"]] == ["float32", "denoise-s"]
    entry = table["networks"][0]
    file = tmp_path / "site" / entry["url"].partition("?")[0]
    assert len(file.read_bytes()) == entry["bytes"]
    assert table["runtime"] == RUNTIME
    for folder in (tmp_path, tmp_path / "missing", file):
        with pytest.raises(InputError, match="is no site of `lpie serve --export`"):
            check_site(folder)


def test_what_the_page_cannot_run_is_a_sentence(tiny_tflite, tmp_path):
    from lpie.web.networks import web_network

    if TfliteModel.read(tiny_tflite["int8"]).inputs[0].dtype == "int8":
        with pytest.raises(InputError, match=r"LiteRT\.js takes images of float32 or uint8"):
            web_network(tiny_tflite["int8"])
    with pytest.raises(LpieError):
        web_network(tmp_path / "missing.tflite")


def test_pretrained_networks_have_names_of_their_own():
    from lpie.web.networks import pretrained_networks

    names = [network.name for network in pretrained_networks()]
    assert len(set(names)) == len(names) == 8


def test_the_service_worker_keeps_every_file_of_the_page():
    from lpie.web.site import page_files

    files = page_files()
    worker = files["sw.js"].decode()
    for name in set(files) - {"sw.js"}:
        assert f"'{name}'" in worker, name
    assert "VERSION" not in worker
    assert golden("tiles")


def test_every_text_has_both_languages():
    import re

    from lpie.web.site import page_files

    text = page_files()["text.js"].decode()
    english, german = re.findall(r"const (?:EN|DE) = \{(.*?)\n\};", text, re.S)
    keys = [
        set(re.findall(r"(?:^|[,{]\s*|\n\s*)'?([\w-]+)'?: '", part)) for part in (english, german)
    ]
    assert keys[0] == keys[1]
    used = set(re.findall(r'data-text="(\w+)"', page_files()["index.html"].decode()))
    assert used <= keys[0]
