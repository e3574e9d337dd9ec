"""Five operations that numba has no function for, as vector instructions of the machine at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .layout import LANES

__all__ = ["add_line", "add_to_lanes", "and_lines", "count_bits", "lowest_bit"]

_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, LANES)


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Pointer to the first element of an array."""
    return context.make_array(kind)(context, builder, value).data


def _lowest_bit(typing_context: Any, word: Any) -> Any:  # noqa: ARG001
    """Position of the lowest set bit."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


def _count_bits(typing_context: Any, word: Any) -> Any:  # noqa: ARG001
    """Number of set bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _and_lines(
    typing_context: Any,  # noqa: ARG001
    words: Any,
    line_of_row: Any,
    line_offset: Any,  # noqa: ARG001
    rows: Any,
    row_offset: Any,  # noqa: ARG001
    column: Any,
    begin: Any,  # noqa: ARG001
    end: Any,  # noqa: ARG001
    out: Any,
    out_offset: Any,  # noqa: ARG001
) -> Any:
    """``out[out_offset:][:8] = AND over position in [begin, end) of words[line_of_row[rows[column[position]]]]``.

    Offsets count elements from the start of each (contiguous) array; the eight words stay in registers.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        table, lines, coded, columns, target = (
            _data(context, builder, kinds[at], arguments[at]) for at in (0, 1, 3, 5, 8)
        )
        lines = builder.gep(lines, [arguments[2]])
        coded = builder.gep(coded, [arguments[4]])
        alive = cast("Any", cgutils).alloca_once_value(builder, ir.Constant(_VECTOR, [-1] * LANES))
        with cgutils.for_range_slice(builder, arguments[6], arguments[7], _WORD(1)) as (position, _):
            at = builder.load(builder.gep(columns, [position]))
            row = builder.sext(builder.load(builder.gep(coded, [at])), _WORD)
            line = builder.sext(builder.load(builder.gep(lines, [row])), _WORD)
            where = builder.gep(table, [builder.mul(line, _WORD(LANES))])
            mask = builder.load(builder.bitcast(where, _VECTOR.as_pointer()), align=8)
            builder.store(builder.and_(builder.load(alive), mask), alive)
        where = builder.bitcast(builder.gep(target, [arguments[9]]), _VECTOR.as_pointer())
        builder.store(builder.load(alive), where, align=8)
        return context.get_dummy_value()

    size = types.int64
    arguments = (words, line_of_row, size, rows, size, column, size, size, out, size)
    return types.void(*arguments), generate


def _add_line(typing_context: Any, cells: Any, target: Any, source: Any) -> Any:  # noqa: ARG001
    """``cells[target:][:8] += cells[source:][:8]``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = _data(context, builder, signature.args[0], arguments[0])
        into, added = (builder.bitcast(builder.gep(data, [arguments[at]]), _VECTOR.as_pointer()) for at in (1, 2))
        total = builder.add(builder.load(into, align=8), builder.load(added, align=8))
        builder.store(total, into, align=8)
        return context.get_dummy_value()

    return types.void(cells, types.int64, types.int64), generate


def _add_to_lanes(
    typing_context: Any,  # noqa: ARG001
    cells: Any,
    offset: Any,  # noqa: ARG001
    lanes: Any,  # noqa: ARG001
    amount: Any,  # noqa: ARG001
) -> Any:
    """``cells[offset + lane] += amount`` for the lanes whose bit is set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = _data(context, builder, signature.args[0], arguments[0])
        where = builder.bitcast(builder.gep(data, [arguments[1]]), _VECTOR.as_pointer())
        chosen = builder.bitcast(arguments[2], ir.VectorType(ir.IntType(1), LANES))
        empty = ir.Constant(_VECTOR, ir.Undefined)
        single = builder.insert_element(empty, arguments[3], ir.IntType(32)(0))
        every = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        spread = builder.shuffle_vector(single, empty, every)
        added = builder.select(chosen, spread, ir.Constant(_VECTOR, [0] * LANES))
        builder.store(builder.add(builder.load(where, align=8), added), where, align=8)
        return context.get_dummy_value()

    return types.void(cells, types.int64, types.uint8, types.int64), generate


lowest_bit = cast("Callable[[Any], int]", intrinsic(_lowest_bit))
count_bits = cast("Callable[[Any], int]", intrinsic(_count_bits))
and_lines = cast("Callable[..., None]", intrinsic(_and_lines))
add_line = cast("Callable[..., None]", intrinsic(_add_line))
add_to_lanes = cast("Callable[..., None]", intrinsic(_add_to_lanes))
