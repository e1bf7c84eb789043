"""Eight floating-point numbers as one value, for the kernels.

LLVM turns `Lanes` into whatever vector registers the processor has. Writing the vectors out, instead of hoping that a
loop is vectorised, is what makes gates on the three lowest qubits as fast as gates on the others: there the two
amplitudes of a pair lie in one vector, and `swap` and `blend` move them within it.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core.extending import intrinsic, models, overload, register_model

from hpcqrl.quantum.jit import jit

WIDTH = 8
WIDTH_BITS = 3

_CONTRACT = ("contract",)  # lets LLVM use fused multiply-add where the processor has it, and nothing else


class Lanes(types.Type):
    """The Numba type of eight `dtype` values."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        scalar = ir.FloatType() if fe_type.dtype == types.float32 else ir.DoubleType()
        super().__init__(dmm, fe_type, ir.VectorType(scalar, WIDTH))


def _address(context, builder, array_type, array, offset):
    data = context.make_array(array_type)(context, builder, value=array).data
    vector = ir.VectorType(context.get_value_type(array_type.dtype), WIDTH)
    return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())


def _shuffle(builder, a, b, lanes):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), lanes))


@intrinsic
def load(typingctx, array, offset):
    """The eight elements of a flat array from `offset` on."""

    def codegen(context, builder, signature, args):
        pointer = _address(context, builder, signature.args[0], *args)
        value = builder.load(pointer)
        value.align = signature.args[0].dtype.bitwidth // 8
        return value

    return Lanes(array.dtype)(array, types.intp), codegen


@intrinsic
def store(typingctx, array, offset, lanes):
    """Write eight elements of a flat array from `offset` on."""

    def codegen(context, builder, signature, args):
        pointer = _address(context, builder, signature.args[0], *args[:2])
        builder.store(args[2], pointer).align = signature.args[0].dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), codegen


@intrinsic
def splat(typingctx, scalar):
    """The same number in all lanes."""

    def codegen(context, builder, signature, args):
        undefined = ir.Constant(context.get_value_type(signature.return_type), ir.Undefined)
        one = builder.insert_element(undefined, args[0], ir.Constant(ir.IntType(32), 0))
        return _shuffle(builder, one, undefined, [0] * WIDTH)

    return Lanes(scalar)(scalar), codegen


@intrinsic
def swap(typingctx, lanes, bit):
    """Lane i takes the value of lane i xor 2^bit; `bit` is a literal 0, 1 or 2."""
    if not isinstance(bit, types.IntegerLiteral):
        return None
    order = [i ^ (1 << bit.literal_value) for i in range(WIDTH)]

    def codegen(context, builder, signature, args):
        return _shuffle(builder, args[0], args[0], order)

    return lanes(lanes, bit), codegen


@intrinsic
def blend(typingctx, zero, one, bit):
    """Lanes whose number has `bit` clear from `zero`, the others from `one`; `bit` is a literal 0, 1 or 2."""
    if not isinstance(bit, types.IntegerLiteral):
        return None
    order = [i + WIDTH if i >> bit.literal_value & 1 else i for i in range(WIDTH)]

    def codegen(context, builder, signature, args):
        return _shuffle(builder, args[0], args[1], order)

    return zero(zero, one, bit), codegen


@intrinsic
def total(typingctx, lanes):
    """The sum of all lanes, in a fixed order."""

    def codegen(context, builder, signature, args):
        value = args[0]
        for distance in (4, 2, 1):
            other = _shuffle(builder, value, value, [i ^ distance for i in range(WIDTH)])
            value = builder.fadd(value, other)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return lanes.dtype(lanes), codegen


@intrinsic
def parity(typingctx, number):
    """1 if an odd number of an integer's bits are 1, else 0."""

    def codegen(context, builder, signature, args):
        return builder.and_(builder.ctpop(args[0]), ir.Constant(args[0].type, 1))

    return number(number), codegen


def _elementwise(instruction):
    @intrinsic
    def elementwise(typingctx, a, b):
        def codegen(context, builder, signature, args):
            return getattr(builder, instruction)(*args, flags=_CONTRACT)

        return a(a, b), codegen

    return elementwise


def _define(operators, instruction):
    compute = _elementwise(instruction)

    def between_lanes(a, b):
        if isinstance(a, Lanes) and isinstance(b, Lanes):
            return lambda a, b: compute(a, b)
        return None

    for symbol in operators:
        overload(symbol)(between_lanes)


_define((operator.add, operator.iadd), "fadd")
_define((operator.sub, operator.isub), "fsub")
_define((operator.mul, operator.imul), "fmul")


@jit
def mix(zero, one, bit):
    """`blend` by a bit known only at run time; bit -1 takes all lanes from `zero`."""
    if bit == 0:
        return blend(zero, one, 0)
    if bit == 1:
        return blend(zero, one, 1)
    if bit == 2:
        return blend(zero, one, 2)
    return zero


@jit
def exchange(lanes, bit):
    """`swap` by a bit 0, 1 or 2 known only at run time."""
    if bit == 0:
        return swap(lanes, 0)
    if bit == 1:
        return swap(lanes, 1)
    return swap(lanes, 2)
