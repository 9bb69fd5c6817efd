from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.tasks.batch.plan import make_plan


def _by_title(plan):
    return {item.title: item for item in plan.items}


def test_the_plan_says_what_each_file_holds(folder, tmp_path) -> None:
    items = _by_title(make_plan([folder], tmp_path / "out", "segment", recursive=True))
    assert len(items) == 11
    facts = {title: item.facts for title, item in items.items() if item.facts}
    assert facts["g.tif [1]"].shape == (32, 33)
    stack = facts["deep ü/h <x>.tif"]
    assert (stack.axes, stack.shape) == ("ZYX", (2, 32, 32))
    assert (stack.pixel_size_um, stack.z_size_um, stack.channels) == (0.5, 2, 1)
    assert facts["f.ome.zarr"].pixel_size_um == 0.5
    assert facts["e.npy"].axes is None
    assert "broken" in items["broken.tif"].problem
    assert sum(bool(item.problem) for item in items.values()) == 1
    assert not (tmp_path / "out").exists()


def test_each_field_of_a_plate_is_an_item(write_a_plate, picture, tmp_path) -> None:
    write_a_plate(tmp_path / "p.zarr", picture())
    pattern = r"(?P<row>[A-Z])/(?P<column>\d+)/(?P<field>\d+)$"
    plan = make_plan([tmp_path / "p.zarr"], tmp_path / "out", "segment", name_pattern=pattern)
    assert [item.series for item in plan.items] == ["A/1/0", "A/1/1", "B/2/0"]
    assert [item.stem for item in plan.items] == ["p-A-1-0", "p-A-1-1", "p-B-2-0"]
    assert plan.items[1].columns == {"row": "A", "column": "1", "field": "1"}
    one = make_plan([tmp_path / "p.zarr"], tmp_path / "out", "segment", series="B/2/0")
    assert [(item.series, item.stem) for item in one.items] == [("B/2/0", "p-B-2-0")]
    none = make_plan([tmp_path / "p.zarr"], tmp_path / "out", "segment", series="Z/9/9")
    assert "there is no series 'Z/9/9'" in none.items[0].problem


def test_files_of_one_ome_tiff_are_read_once(picture, tmp_path) -> None:
    uuids = "".join(
        f'<TiffData FirstZ="{n}" IFD="0" PlaneCount="1"><UUID FileName="z{n}.ome.tif">'
        f"urn:uuid:{n}</UUID></TiffData>"
        for n in range(2)
    )
    for number in range(2):
        xml = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{number}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYZCT" Type="uint16" SizeX="40" SizeY="32" SizeZ="2" SizeC="1" '
            f'SizeT="1"><Channel ID="Channel:0:0"/>{uuids}</Pixels></Image></OME>'
        )
        path = tmp_path / f"z{number}.ome.tif"
        tifffile.imwrite(path, picture(number), description=xml, metadata=None)
    plan = make_plan([tmp_path], tmp_path / "out", "segment")
    assert [item.name for item in plan.items] == ["z0.ome.tif"]
    assert plan.items[0].facts.shape == (2, 32, 40)
    assert "1 files are parts of an OME-TIFF" in plan.messages[0]


def test_a_file_that_is_not_there_is_a_problem_of_its_own(folder, tmp_path) -> None:
    plan = make_plan([folder / "a.tif", folder / "no.tif"], tmp_path / "out", "segment")
    assert [bool(item.problem) for item in plan.items] == [False, True]
    assert "There is no image file" in plan.items[1].problem


def test_no_result_may_replace_another_input(picture, tmp_path) -> None:
    for name in ("a.tif", "a-labels.tif"):
        tifffile.imwrite(tmp_path / name, picture())
    items = _by_title(make_plan([tmp_path], tmp_path, "segment"))
    assert "would be called “a-labels.tif”, and replace another" in items["a.tif"].problem
    assert not items["a-labels.tif"].problem
    elsewhere = _by_title(make_plan([tmp_path], tmp_path / "out", "segment"))
    assert not elsewhere["a.tif"].problem


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(?P<well>", "no regular expression"),
        ("well", "no named group"),
        ("(?P<label>x)", "the table has such a column"),
        (r"(?P<well>[A-P]\d\d)", "fits none of the 10 names, such as “a.png”"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused(folder, tmp_path, pattern, said) -> None:
    with pytest.raises(InputError, match=said):
        make_plan([folder], tmp_path / "out", "segment", name_pattern=pattern)


def test_names_that_a_pattern_does_not_fit_are_told(folder, tmp_path) -> None:
    plan = make_plan([folder], tmp_path / "out", "segment", name_pattern=r"(?P<letter>^[ab])\.")
    assert "does not fit 7 of 10 names" in plan.messages[-1]
    assert _by_title(plan)["a.png"].columns == {"letter": "a"}
    assert _by_title(plan)["c.png"].columns == {"letter": ""}
    fits = make_plan([folder], tmp_path / "out", "segment", name_pattern="(?P<first>^.)")
    assert not fits.messages


def test_the_results_of_many_need_a_folder(folder, tmp_path) -> None:
    for out in (tmp_path / "x.tif", tmp_path / "x.zarr", folder / "notes.txt"):
        with pytest.raises(OutputError, match="go into a folder"):
            make_plan([folder], out, "segment")


def test_labels_find_their_images_by_name(picture, tmp_path) -> None:
    labels, images = tmp_path / "labels", tmp_path / "images"
    labels.mkdir()
    images.mkdir()
    for name in ("a-labels.tif", "b.tif", "c-labels.tif", "d.tif"):
        tifffile.imwrite(labels / name, picture())
    tifffile.imwrite(labels / "a-probability.tif", picture(dtype=np.float32))
    for name in ("a.tif", "b.ome.tif", "d.tif", "d.png"):
        (images / name).write_bytes((labels / "b.tif").read_bytes())
    plan = make_plan([labels], tmp_path / "out", "measure", intensity=images)
    items = _by_title(plan)
    assert items["a-labels.tif"].intensity == images / "a.tif"
    assert items["b.tif"].intensity == images / "b.ome.tif"
    assert "holds no image called “c”" in items["c-labels.tif"].problem
    assert "several images" in items["d.tif"].problem
    assert "1 images that are no labels were left out." in plan.messages
    with pytest.raises(InputError, match="One image cannot belong to many labels"):
        make_plan([labels], tmp_path / "out", "measure", intensity=images / "a.tif")
