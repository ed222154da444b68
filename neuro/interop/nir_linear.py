"""The nodes of NIR that only multiply and add, as sparse matrices: y = M x + b.

Conv1d, Conv2d, SumPool2d and AvgPool2d are one thing: a kernel that slides over a field padded with zeros. AvgPool2d
divides by the whole kernel at the borders too, as torch does. Tensors are numbered in C order: channel, row, column.

Axes: O, I channels after and before, H, W rows and columns, K, L of the kernel.
References: pedersen2024.
"""

import math
from typing import Any, NamedTuple

import nir
import numpy as np
from numpy.typing import NDArray

from neuro import memory

LINEAR = (
    nir.Affine, nir.Linear, nir.Conv1d, nir.Conv2d, nir.SumPool2d, nir.AvgPool2d, nir.Flatten, nir.Scale, nir.Delay,
    nir.Input, nir.Output,
)  # fmt: skip
Shape = tuple[int, ...]


class Slide(NamedTuple):
    """A kernel and how it moves. kernel_OIKL; pairs are (rows, columns), padding: before and after of each."""

    kernel_OIKL: NDArray[np.float64]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int]
    groups: int


def numbers(node: Any, field: str) -> NDArray[np.float64]:
    """A field of a node as finite numbers."""
    values = getattr(node, field, None)
    array = np.asarray(values)
    if values is None or array.dtype.kind not in "iuf" or not array.size:
        raise ValueError(f"{field} is {_short(values)}; numbers are needed")
    if not np.isfinite(array).all():
        raise ValueError(f"{field} has numbers that are not finite")
    return array.astype(float)


def shape_after(node: Any, before: Shape | None) -> Shape | None:
    """The shape of what a linear node sends; None where it needs that of what comes in, which is not known yet."""
    if isinstance(node, nir.Affine | nir.Linear):
        return (_weight(node).shape[0],)
    if isinstance(node, nir.Input):
        return _whole_numbers(node.input_type["input"], "shape")
    if isinstance(node, nir.Conv1d | nir.Conv2d) and before is None and node.input_shape is not None:
        before = _field(node)
    if before is None:
        return None
    if isinstance(node, nir.Flatten):
        return _flattened(node, before)
    if isinstance(node, nir.Conv1d | nir.Conv2d | nir.SumPool2d | nir.AvgPool2d):
        field, slide = _field_of(node, before), _slide(node, before)
        after = (slide.kernel_OIKL.shape[0], *_size_after(slide, field[1:]))
        return after if len(before) == 3 else (after[0], after[2])
    return before


def matrix(node: Any, before: Shape) -> tuple[Any, NDArray[np.float64] | float]:
    """M (scipy.sparse, rows: what comes out) and b."""
    import scipy.sparse

    size = math.prod(before)
    if isinstance(node, nir.Affine | nir.Linear):
        weight = _weight(node)
        _demand_size(weight.shape[1], size, "weight", weight.shape)
        bias = 0.0
        if isinstance(node, nir.Affine):
            bias = numbers(node, "bias").ravel()
            _demand_size(bias.size, weight.shape[0], "bias", bias.shape)
        return _without_gaps(weight), bias
    if isinstance(node, nir.Scale):
        scale = numbers(node, "scale").ravel()
        if scale.size != 1:
            _demand_size(scale.size, size, "scale", scale.shape)
        return scipy.sparse.diags_array(np.broadcast_to(scale, size).copy(), format="csr"), 0.0
    if isinstance(node, nir.Conv1d | nir.Conv2d | nir.SumPool2d | nir.AvgPool2d):
        return _sliding(node, before)
    return scipy.sparse.eye_array(size, format="csr"), 0.0


def delay_s(node: nir.Delay, size: int) -> NDArray[np.float64]:
    """Delay of each unit, in seconds."""
    delays = numbers(node, "delay").ravel()
    if delays.size != 1:
        _demand_size(delays.size, size, "delay", delays.shape)
    if delays.min() < 0:
        raise ValueError(f"delay = {delays.min():g} s is negative; time has one direction")
    return np.broadcast_to(delays, size)


def _weight(node: Any) -> NDArray[np.float64]:
    weight = numbers(node, "weight")
    if weight.ndim != 2:
        raise ValueError(f"weight has shape {weight.shape}; only matrices (out, in) are understood")
    return weight


def _without_gaps(weight: NDArray[np.float64]) -> Any:
    """A matrix all of whose entries are stored, also those that are 0: it stays dense."""
    import scipy.sparse

    rows, columns = weight.shape
    offsets = np.arange(rows + 1) * columns
    return scipy.sparse.csr_array((weight.ravel(), np.tile(np.arange(columns), rows), offsets), shape=weight.shape)


def _demand_size(found: int, wanted: int, field: str, shape: Shape) -> None:
    if found != wanted:
        raise ValueError(f"{field} has shape {shape}, which fits {found} units, but there are {wanted}")


def _flattened(node: nir.Flatten, before: Shape) -> Shape:
    first, last = (_whole_numbers(x, "dimension", None)[0] for x in (node.start_dim, node.end_dim))
    n = len(before)
    first, last = first % n if -n <= first < n else n, last % n if -n <= last < n else n
    if not first <= last < n:
        raise ValueError(f"dimensions {node.start_dim} to {node.end_dim} do not exist in shape {before}")
    return (*before[:first], math.prod(before[first : last + 1]), *before[last + 1 :])


def _field(node: Any) -> Shape:
    """Channels, rows and columns that a convolution says it is given."""
    channels = numbers(node, "weight").shape[1] * _pair(node.groups, "groups", 1)[0]
    return (channels, *_whole_numbers(node.input_shape, "input_shape"))


def _field_of(node: Any, before: Shape) -> Shape:
    """Channels, rows, columns; a field in one dimension has one row."""
    wanted = 2 if isinstance(node, nir.Conv1d) else 3
    if len(before) != wanted:
        raise ValueError(f"it is given shape {before}; it needs channels and {wanted - 1} more dimensions")
    return before if wanted == 3 else (before[0], 1, before[1])


def _slide(node: Any, before: Shape) -> Slide:
    channels = before[0]
    if isinstance(node, nir.SumPool2d | nir.AvgPool2d):
        kernel = _pair(node.kernel_size, "kernel_size", 1)
        value = 1.0 if isinstance(node, nir.SumPool2d) else 1.0 / (kernel[0] * kernel[1])
        around = _pair(node.padding, "padding", 0)
        padding = (around[0], around[0]), (around[1], around[1])
        memory.demand(8.0 * channels * kernel[0] * kernel[1], "its kernel needs", "use a smaller one")
        return Slide(np.full((channels, 1, *kernel), value), _pair(node.stride, "stride", 1), padding, (1, 1), channels)
    weight = numbers(node, "weight")
    wanted = 3 if isinstance(node, nir.Conv1d) else 4
    if weight.ndim != wanted:
        raise ValueError(f"weight has shape {weight.shape}; it needs {wanted} dimensions")
    groups = _pair(node.groups, "groups", 1)[0]
    if weight.shape[1] * groups != channels or weight.shape[0] % groups:
        raise ValueError(f"weight has shape {weight.shape}, in {groups} groups, but {channels} channels come in")
    stride, dilation = _pair(node.stride, "stride", 1), _pair(node.dilation, "dilation", 1)
    if wanted == 3:
        weight, stride, dilation = weight[:, :, None], (1, stride[0]), (1, dilation[0])
    padding = _padding(node, weight.shape[2:], stride, dilation, wanted == 3)
    return Slide(weight, stride, padding, dilation, groups)


def _padding(node: Any, kernel: Shape, stride: Any, dilation: Any, is_line: bool) -> Any:
    """Zeros before and after, of rows and of columns."""
    padding = node.padding.decode() if isinstance(node.padding, bytes) else node.padding
    if isinstance(padding, str):
        if padding == "same" and tuple(stride) == (1, 1):
            around = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
            return tuple((x // 2, x - x // 2) for x in around)
        if padding != "valid":
            raise ValueError(f"padding {padding!r} with stride {stride} has no meaning; give numbers")
        return (0, 0), (0, 0)
    found = _pair(padding, "padding", 0)
    return ((0, 0), (found[0], found[0])) if is_line else tuple((x, x) for x in found)


def _size_after(slide: Slide, field: Shape) -> Shape:
    """Rows and columns that come out."""
    sizes = []
    kernel = slide.kernel_OIKL.shape[2:]
    for n, k, stride, around, dilation in zip(field, kernel, slide.stride, slide.padding, slide.dilation, strict=True):
        sizes.append((n + sum(around) - dilation * (k - 1) - 1) // stride + 1)
    if min(sizes) < 1:
        raise ValueError(f"a kernel of {kernel} does not fit into a field of {field}")
    return tuple(sizes)


def _sliding(node: Any, before: Shape) -> tuple[Any, Any]:
    """The matrix of a sliding kernel: each place of it reads the same weights from another part of the field."""
    import scipy.sparse

    (n_in, rows, columns), slide = _field_of(node, before), _slide(node, before)
    n_out, n_group, *_ = slide.kernel_OIKL.shape
    after = _size_after(slide, (rows, columns))
    n_entries = float(slide.kernel_OIKL.size) * math.prod(after)
    memory.demand(60.0 * n_entries, f"its {n_entries:.3g} synapses need", "use a smaller field or kernel")
    reads = [
        np.arange(n)[:, None] * stride + np.arange(k) * dilation - around[0]
        for n, k, stride, dilation, around in zip(
            after, slide.kernel_OIKL.shape[2:], slide.stride, slide.dilation, slide.padding, strict=True
        )
    ]
    row_HK, column_WL = reads
    place_HWKL = row_HK[:, None, :, None] * columns + column_WL[None, :, None, :]
    row_is_in, column_is_in = (row_HK >= 0) & (row_HK < rows), (column_WL >= 0) & (column_WL < columns)
    inside_HWKL = row_is_in[:, None, :, None] & column_is_in[None, :, None, :]
    h, w, k, l_ = np.nonzero(inside_HWKL)
    target, source = h * after[1] + w, place_HWKL[inside_HWKL]
    field, picture = rows * columns, math.prod(after)
    out_O1, in_I = np.arange(n_out)[:, None], np.arange(n_group)
    channel_OI = out_O1 // (n_out // slide.groups) * n_group + in_I
    values = slide.kernel_OIKL[:, :, k, l_]
    to = np.broadcast_to((out_O1 * picture)[..., None] + target, values.shape)
    of = channel_OI[..., None] * field + source
    entries = values.ravel(), (to.ravel(), of.ravel())
    shape = n_out * picture, n_in * field
    bias = np.repeat(_bias(node, n_out), picture)
    return scipy.sparse.csr_array(entries, shape=shape), bias


def _bias(node: Any, n_out: int) -> NDArray[np.float64]:
    if isinstance(node, nir.SumPool2d | nir.AvgPool2d) or node.bias is None:
        return np.zeros(n_out)
    bias = numbers(node, "bias").ravel()
    _demand_size(bias.size, n_out, "bias", bias.shape)
    return bias


def _pair(value: Any, field: str, least: int) -> tuple[int, int]:
    found = _whole_numbers(value, field, least)
    if len(found) not in (1, 2):
        raise ValueError(f"{field} = {_short(value)}; one or two whole numbers are needed")
    return (found[0], found[-1])


def _whole_numbers(value: Any, field: str, least: int | None = 1) -> Shape:
    array = np.asarray(value)
    if value is None or array.dtype.kind not in "iuf" or array.ndim > 1 or not 1 <= array.size <= 16:
        raise ValueError(f"{field} is {_short(value)}; whole numbers are needed")
    if not np.isfinite(array).all() or np.any(array != np.rint(array)) or np.any(np.abs(array) > 2**31):
        raise ValueError(f"{field} is {_short(value)}; whole numbers below 2^31 are needed")
    if least is not None and np.any(array < least):
        raise ValueError(f"{field} is {_short(value)}; give at least {least}")
    return tuple(int(x) for x in array.ravel())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."
