from __future__ import annotations

from collections import Counter

import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.training.data.image_files import Selection, find_target_folder, pair_images
from napari_cytosynth.training.data.splits import hash_split


@pytest.fixture
def data_dir(tmp_path):
    for folder, suffix in (("image", ".tif"), ("labels", ".png"), ("blobs", ".PNG")):
        (tmp_path / folder).mkdir()
        for stem in ("a1", "a2", "b.1"):
            (tmp_path / folder / f"{stem}{suffix}").touch()
    (tmp_path / "image" / "notes.txt").touch()
    return tmp_path


def stems(pairs):
    assert all(pair.image.stem == pair.target.stem for pair in pairs)
    return [pair.image.stem for pair in pairs]


def test_images_and_truth_meet_by_name_whatever_their_suffix(data_dir) -> None:
    assert stems(pair_images(data_dir, "image", "labels")) == ["a1", "a2", "b.1"]
    assert stems(pair_images(data_dir, "image", "blobs")) == ["a1", "a2", "b.1"]


def test_a_pattern_a_file_and_a_hash_choose_images(data_dir) -> None:
    listing = data_dir / "some.txt"
    listing.write_text("a2.tif\n\nb.1\n")
    assert stems(pair_images(data_dir, "image", "labels", Selection("a*"))) == ["a1", "a2"]
    chosen = Selection(split_file=listing)
    assert stems(pair_images(data_dir, "image", "labels", chosen)) == ["a2", "b.1"]
    parts = [Selection(hashed=part).apply(["a1", "a2", "b.1"]) for part in ("train", "test")]
    assert all(hash_split(stem) == "test" for stem in parts[1])
    assert not set(parts[0]) & set(parts[1])


def test_names_choose_images_whatever_their_suffix(data_dir) -> None:
    for names in (("a2", "b.1"), ("b.1", "a2.tif"), ("a2", "a2", "b.1")):
        assert Selection(names=names).apply(["a1", "a2", "b.1"]) == ["a2", "b.1"]
    assert Selection("a*", names=("a2", "b.1")).apply(["a1", "a2", "b.1"]) == ["a2"]
    with pytest.raises(InputError, match="no image called “a9”; there are a1, a2"):
        Selection(names=("a1", "a9")).apply(["a1", "a2", "b.1"])


def test_the_truth_is_looked_for_under_the_name_of_the_objects_first(data_dir) -> None:
    assert find_target_folder(data_dir, None, "blobs") == "blobs"
    assert find_target_folder(data_dir, None, "cell bodies") == "labels"
    assert find_target_folder(data_dir, "image", "blobs") == "image"


def test_what_is_missing_is_named(data_dir) -> None:
    (data_dir / "labels" / "a2.png").unlink()
    with pytest.raises(InputError, match=r"1 of 3 images have no truth .* “a2”"):
        pair_images(data_dir, "image", "labels")
    with pytest.raises(InputError, match=r"folder “nuclei” .* it has blobs, image, labels"):
        find_target_folder(data_dir, "nuclei", "x")
    with pytest.raises(InputError, match="Did you mean its folder"):
        pair_images(data_dir.parent, "image", "labels")
    with pytest.raises(InputError, match="was selected"):
        pair_images(data_dir, "image", "labels", Selection("z*"))
    with pytest.raises(InputError, match="no data folder"):
        pair_images(data_dir / "nowhere", "image", "labels")
    with pytest.raises(InputError, match="cannot be read"):
        Selection(split_file=data_dir / "none.txt").apply(["a1"])
    (data_dir / "wrong.txt").write_text("a9\n")
    with pytest.raises(InputError, match="a9"):
        Selection(split_file=data_dir / "wrong.txt").apply(["a1"])


def test_the_hash_split_never_changes_and_has_its_proportions() -> None:
    names = ["image3", "image7", "image0"]
    assert [hash_split(name) for name in names] == ["test", "validation", "train"]
    counts = Counter(hash_split(f"image{k}") for k in range(2000))
    assert counts["test"] / 2000 == pytest.approx(0.2, abs=0.03)
    assert counts["validation"] / 2000 == pytest.approx(0.1, abs=0.03)
