"""A network that is an ONNX graph of another program, run by ONNX Runtime on the processor.

Its one tensor holds the bytes of the graph. A graph is no program, but it may refer to files, ask
for operators of other libraries, or never end: what is refused stands in `checks`.
"""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from napari_cytosynth.errors import InputError, ModelError

from .checks import check_graph, first_line, onnx_library, probing_graph, values_per_pixel

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ONNX"]

_ASK = 0.1  # s between two operations of torch, by which a run notices that it was cancelled
SMALLEST_WINDOW = 32  # px
_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


class ONNX(nn.Module):
    """An ONNX graph that maps one image to one image of the same size.

    It computes in the graph's own number format on the processor, whatever its parameters are
    moved to, and cannot be trained.

    Parameters
    ----------
    in_channels, out_channels
        Number of image channels. Default: 1.
    graph_bytes
        Size of the graph in bytes. Default: 0.
    input_axes, output_axes
        Order of the axes, of the letters b, c, y and x; c may be missing where there is one
        channel. Default: ``"bcyx"``.
    window
        Side in px of the windows that it is run on, where each pixel of its output depends on the
        whole image. Default: None, tiles of any size.

    Raises
    ------
    ModelError
        From ``load_state_dict``, if the graph cannot be used, or the libraries are not installed.
    """

    own_format = True
    """It is not converted to other number formats, nor folded."""
    window_border = 0
    """No zeros are put around a plane: they would change the means over all of it."""
    tolerance = 1e-4
    """Of its output, in parts of the largest value: it computes in single precision."""

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        graph_bytes: int = 0,
        input_axes: str = "bcyx",
        output_axes: str = "bcyx",
        window: int | None = None,
    ) -> None:
        super().__init__()
        for axes, channels in ((input_axes, in_channels), (output_axes, out_channels)):
            if sorted(axes) != list("bcxy") and (sorted(axes) != list("bxy") or channels != 1):
                raise ValueError(f"the axes are the letters b, c, y and x in some order: {axes}")
        if window is not None and window < SMALLEST_WINDOW:
            raise ValueError(f"window must be at least {SMALLEST_WINDOW}")
        self.channels = (in_channels, out_channels)
        self.axes = (input_axes, output_axes)
        self.window = window
        self._session: Any = None
        self.register_buffer("graph", torch.zeros(graph_bytes, dtype=torch.uint8))
        self.register_load_state_dict_post_hook(_open)  # type: ignore[no-untyped-call]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}  # another process opens its own

    def __deepcopy__(self, memo: dict[int, Any]) -> ONNX:
        twin = type(self).__new__(type(self))
        parts = vars(self).items()  # the graph never changes: copies share it
        twin.__dict__ = {k: copy.copy(v) if isinstance(v, dict) else v for k, v in parts}
        return twin

    @property
    def content(self) -> bytes:
        """The graph's bytes."""
        return bytes(self.graph.cpu().numpy())  # type: ignore[operator]

    @cached_property
    def values_per_pixel(self) -> float:
        """Numbers for each pixel of an image in the largest intermediate result, about."""
        return values_per_pixel(self.content, self.axes[0])

    def probing_twin(self) -> ONNX:
        """Return a copy that lets NaN through to each pixel that depends on it.

        Raises
        ------
        ModelError
            If it has an operator of which that is not known.
        """
        twin = copy.deepcopy(self)
        twin._session = _session(probing_graph(self.content), plain=True)
        return twin

    def open(self) -> None:
        """Check the graph, and make it ready to run; done at the first run at the latest.

        Raises
        ------
        ModelError
            If it cannot be used, or the libraries are not installed.
        """
        if self._session is None:
            content = self.content
            check_graph(content)
            self._session = _session(content)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to (N, K, Y, X)."""
        if x.is_meta:
            raise NotImplementedError("an ONNX graph tells its shapes only by running")
        self.open()
        images = x.detach().to("cpu", torch.float32).numpy()
        found = np.stack([self._image(image) for image in images])
        return torch.from_numpy(found).to(x.device, x.dtype)

    def _image(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the output (K, Y, X) of one image (C, Y, X)."""
        given, returned = self.axes
        array, axes = (image[None], "bcyx") if "c" in given else (image, "byx")
        array = array.transpose([axes.index(letter) for letter in given])
        source = self._session.get_inputs()[0]
        output = self._run({source.name: np.ascontiguousarray(array, _TYPES[source.type])})
        if output.ndim != len(returned):
            raise InputError(
                f"The ONNX graph returns {output.ndim} axes in place of {len(returned)}."
            )
        if "c" not in returned:
            output, returned = output[..., None], f"{returned}c"
        found: NDArray[np.float32] = output.transpose([returned.index(c) for c in "bcyx"])[0]
        return np.ascontiguousarray(found, np.float32)

    def _run(self, feed: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """Run the graph in a thread, which is stopped where a run is cancelled meanwhile."""
        from onnxruntime import RunOptions

        options = RunOptions()
        with ThreadPoolExecutor(1, "cytosynth-onnx") as pool:
            work = pool.submit(self._session.run, None, feed, options)
            try:
                while not work.done():
                    wait([work], _ASK)
                    torch.zeros(0)  # an operation, which asks
            except BaseException:
                options.terminate = True
                raise
        try:
            return np.asarray(work.result()[0])
        except Exception as error:  # the library's own, that derive from nothing else
            text = first_line(error)
            if "allocate memory" in text or "bad_alloc" in text:
                raise MemoryError(text) from error
            raise InputError(f"The ONNX graph fails on an image of this size: {text}.") from error


def _open(network: nn.Module, _keys: Any) -> None:
    assert isinstance(network, ONNX)
    network._session = None
    if len(network.graph) and not network.graph.is_meta:  # type: ignore[arg-type]
        network.open()


def _session(content: bytes, *, plain: bool = False) -> Any:
    """Return what runs a graph; `plain`: operator by operator, none of them changed."""
    onnx_library()
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if plain:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's own, that derive from nothing else
        raise ModelError(
            f"ONNX Runtime {ort.__version__} cannot open the graph: {first_line(error)}."
        ) from error
    kind = session.get_inputs()[0].type
    if kind not in _TYPES:
        raise ModelError(f"The ONNX graph takes {kind}, not the real numbers of a scaled image.")
    return session
