from __future__ import annotations

import yaml

from napari_cytosynth.zoo.card import (
    Inference,
    Metric,
    ModelCard,
    Normalisation,
    Splitting,
    Training,
)
from napari_cytosynth.zoo.model_page import render_readme

COMMAND = "cytosynth evaluate segment blob-unet --data-dir blobs/test"
CARD = ModelCard(
    name="blob-unet",
    title="Finds blobs in pictures of blobs.",
    architecture="UNet",
    arguments={"in_channels": 1, "out_channels": 2},
    licence="CC-BY-4.0",
    inference=Inference(
        task="segment",
        input_channels=["grey"],
        output_channels=["foreground", "distance"],
        pixel_size_um=0.25,
        threshold=0.04,
        splitting=Splitting(channel="distance", seed_threshold=0.5),
    ),
    training=Training(
        datasets=["Blobs 2018"],
        data_licence="CC0-1.0",
        citations=["Blob et al. 2018, doi:10.0/blob"],
        recipe="blob-unet",
        hardware="two CPU cores",
        remarks="Sees blobs everywhere.",
    ),
    metrics=[
        Metric(name="AP@0.5", value=0.83456, dataset="Blobs 2018, test", command=COMMAND),
        Metric(name="foreground IoU", value=0.9, dataset="Blobs 2018, test", command=COMMAND),
    ],
    tags=["blobs"],
)


def split(text: str) -> tuple[dict[str, object], str]:
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def test_front_matter_is_what_the_hub_reads() -> None:
    front, _ = split(render_readme(CARD))
    assert front["license"] == "cc-by-4.0"
    assert front["library_name"] == "napari-cytosynth"
    assert front["pipeline_tag"] == "image-segmentation"
    assert {"napari", "blobs"} <= set(front["tags"])
    assert front["datasets"] == ["blobs-2018"]
    assert front["metrics"] == ["ap-at-0.5", "foreground-iou"]


def test_the_hub_client_understands_the_card() -> None:
    from huggingface_hub import ModelCard as HubCard

    data = HubCard(render_readme(CARD)).data
    assert data.license == "cc-by-4.0"
    assert [(r.metric_name, r.metric_value) for r in data.eval_results] == [
        ("AP@0.5", 0.83456),
        ("foreground IoU", 0.9),
    ]


def test_body_says_what_a_user_must_know() -> None:
    _, body = split(render_readme(CARD, place="blob-unet"))
    for text in (
        "Finds blobs",
        "0.25 µm",
        "0.04",
        "0.8346",
        "Blob et al. 2018",
        "Sees blobs everywhere.",
        "**Training data:** CC0-1.0",
        "**Weights:** CC-BY-4.0",
        "*Plugins › CytoSynth › Segment*",
        'cytosynth.segment(image, model="blob-unet")',
        "cytosynth segment IMAGE.tif --model blob-unet --out",
        "cytosynth train blob-unet",
    ):
        assert text in body
    assert body.count(COMMAND) == 1


def test_the_page_of_an_encoder_sends_nobody_to_a_widget() -> None:
    inference = Inference(task="encode", input_channels=["grey"], output_channels=["features"])
    card = CARD.model_copy(update={"name": "blob-encoder", "inference": inference})
    front, body = split(render_readme(card, place="blob-encoder"))
    assert front["pipeline_tag"] == "image-feature-extraction"
    assert "Plugins" not in body
    assert "Output range" not in body
    assert 'load_features("blob-encoder")' in body
    assert "--extractor blob-encoder" in body


def test_licence_that_the_hub_does_not_list_keeps_its_name() -> None:
    front, _ = split(render_readme(CARD.model_copy(update={"licence": "Free for research"})))
    assert (front["license"], front["license_name"]) == ("other", "free-for-research")


def test_bare_card_has_no_empty_sections() -> None:
    bare = ModelCard(name="bare", architecture="UNet", inference=CARD.inference)
    front, body = split(render_readme(bare))
    assert "metrics" not in front
    assert "Test figures" not in body
    assert "Please cite" not in body
    assert "None" not in body


def test_text_cannot_break_a_table() -> None:
    metric = CARD.metrics[0].model_copy(update={"dataset": "a | b\nc"})
    text = render_readme(CARD.model_copy(update={"metrics": [metric]}))
    assert "| a \\| b c |" in text


def test_local_contrast_is_told_as_it_is_computed():
    local = Normalisation(kind="local", sigma=40, std=0.15)
    inference = CARD.inference.model_copy(update={"normalisation": local})
    text = render_readme(CARD.model_copy(update={"inference": inference}))
    assert "surroundings (blurred by a Gaussian of 40 px), divided by 0.15" in text


def test_text_of_a_card_cannot_become_markup() -> None:
    hostile = "x <script>alert(1)</script> ![y](http://z) `w`"
    training = CARD.training.model_copy(
        update={"remarks": f"{hostile}\n\n# big", "citations": [hostile], "hardware": hostile}
    )
    metric = CARD.metrics[0].model_copy(update={"command": "```\n<b>", "name": hostile})
    changes = {"title": hostile, "licence": hostile, "training": training, "metrics": [metric]}
    front, page = split(render_readme(CARD.model_copy(update=changes)))
    assert front["library_name"] == "napari-cytosynth"
    assert "<script" not in page
    assert "![y]" not in page
    assert "\n# big" not in page
    assert page.count("```") == 6  # the three blocks of the page itself
