"""Compiled loops, and a prefetch instruction that NumPy lacks.

A compiled function calls only compiled functions of its own file: numba invalidates its cache on
disk by the time of that file alone.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code, without the lock of the interpreter.

    Compiled once per machine where numba finds a folder to cache in, else once per process.
    """
    try:
        return njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # no folder to cache in
        return njit(nogil=True, error_model="numpy")(function)


def _fetch(_context: Any, array: Any, place: Any) -> Any:
    """Have the processor bring array[place] into its cache; changes no value."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        address = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        to_read, keep, is_data = (ir.Constant(number, n) for n in (0, 3, 1))
        builder.call(prefetch, [address, to_read, keep, is_data])
        return context.get_dummy_value()

    return types.void(array, place), code


fetch: Any = intrinsic(_fetch)
