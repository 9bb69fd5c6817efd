"""Text of strangers is shown as text: it steers no terminal and is no markup."""

from __future__ import annotations

import pytest

from napari_cytosynth.zoo.text import for_html, for_markdown, has_control_characters, one_line


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x07", "a\rb", "\x9b", "\u202eabc", "\u2028", "\ud800"]
)
def test_characters_that_steer_are_found_and_shown(text):
    assert has_control_characters(text)
    shown = one_line(f"x{text}y")
    assert not has_control_characters(shown)
    assert shown.isascii()
    shown.encode("utf-8")


def test_ordinary_text_stays_as_it_is():
    for text in ("H&E lung tissue, 256 × 256 µm", "β-VAE “nuclei” – 細胞", "قاعدة"):
        assert not has_control_characters(text)
        assert one_line(text) == text
        assert for_markdown(text) == text


def test_a_text_becomes_one_line_of_bounded_length():
    assert one_line("first\n  second\tthird") == "first second third"
    assert len(one_line("x" * 10**6, 50)) == 50


def test_markup_is_no_markup_any_more():
    assert for_html("<img src=x> & 'y'") == "&lt;img src=x&gt; &amp; &#x27;y&#x27;"
    assert for_markdown("<script>") == "&lt;script>"
    assert for_markdown("![x](http://y) `z`") == r"!\[x\](http://y) \`z\`"
    assert for_markdown("# big") == r"\# big"
    assert for_markdown("&lt;b>") == "&amp;lt;b>"
