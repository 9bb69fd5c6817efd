"""An impossible option is refused in the same words by Python, the command and the widget."""

from __future__ import annotations

import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth.cli import main
from napari_cytosynth.errors import InputError


def beyond_the_range(box, value):
    """Set a value that the box would not take from a user."""
    box.max = max(box.max, value)
    box.min = min(box.min, value)
    box.value = value


def exit_status(command):
    """Run the command, which may also end where its arguments are read."""
    try:
        return main(command)
    except SystemExit as ended:
        return ended.code


@pytest.mark.parametrize(
    ("kind", "argument", "row", "value"),
    [
        ("diffusion", "steps", "steps", 99),
        ("diffusion", "steps", "steps", 0),
        ("diffusion", "guidance", "guidance", -1),
        ("diffusion", "size", "image_size", 0),
        ("diffusion", "count", "how_many", 0),
        ("vae", "size", "image_size", 32),
    ],
)
def test_one_rule_one_sentence(
    make_generate_widget, tiny_generator, tmp_path, capsys, kind, argument, row, value
):
    model = tiny_generator(kind)
    with pytest.raises(InputError) as raised:
        cytosynth.generate(model, **{argument: value})
    sentence = str(raised.value)

    command = ["generate", "--model", str(model), "--out", str(tmp_path / "out")]
    assert exit_status([*command, f"--{argument}", str(value)]) != 0
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

    widget = make_generate_widget(real=True)
    widget.model.value = model
    beyond_the_range(getattr(widget, row), value)
    widget.run()
    assert widget.wait(60)
    assert widget.status.value == f"⚠ {sentence}"
