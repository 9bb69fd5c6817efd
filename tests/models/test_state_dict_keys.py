"""Published weights keep loading: the tensors of every architecture keep name and shape.

A difference here breaks every model that somebody has already downloaded or trained.
Add a record for a new architecture or argument; never change one that is there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_cytosynth.models import ARCHITECTURES, build_network

RECORDS: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("state_dict_keys.json").read_text()
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: f"{r['architecture']}-{r['arguments']}")
def test_tensors_keep_their_names_and_shapes(record: dict[str, Any]) -> None:
    with torch.device("meta"):
        network = build_network(record["architecture"], record["arguments"])
    tensors = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    assert tensors == record["tensors"]


def test_every_architecture_has_a_record() -> None:
    assert {record["architecture"] for record in RECORDS} == set(ARCHITECTURES)
