"""The C entries, in the LLVM dialect: they unpack tables of pointers and set the floating-point mode.

`spikec_init`, `spikec_run`, `spikec_finish` and `spikec_samples` are what `runtime.cpu` calls; `net_init`, `net_seed`,
`net_step`, `net_run` and `net_finish` are the C interface of `backends.cpu.header`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from spikec.dialects.mlir import ir
from spikec.lower.step_to_cpu.plan import STEPS, Plan
from spikec.runtime.cpu import CONSTANTS, WORD
from spikec.runtime.layout import Layout

FLUSH_BITS = {"mxcsr": 0x8040, "fpcr": 1 << 24}
DEFAULT_KEYS = "spikec_default_keys"
DYNAMIC = -(1 << 31)
"""An index that is an operand, among those of an address."""


def add(module: Any, plan: Plan, layout: Layout) -> None:
    """Adds the entries to a module in the LLVM dialect."""
    with ir.InsertionPoint(module.body):
        writer = _Writer(plan, layout)
        writer.globals()
        writer.internal()
        writer.samples()
        writer.interface()


def add_for_workers(module: Any, plan: Plan, layout: Layout) -> None:
    """Adds the entries of the code for workers to a module in the LLVM dialect."""
    with ir.InsertionPoint(module.body):
        _Writer(plan, layout).workers()


class _Writer:
    def __init__(self, plan: Plan, layout: Layout) -> None:
        self.plan = plan
        self.layout = layout
        self.pointer = ir.Type.parse("!llvm.ptr")
        self.i64 = ir.IntegerType.get_signless(64)
        self.i32 = ir.IntegerType.get_signless(32)

    # Single operations.

    def op(self, name: str, operands: Sequence[Any] = (), result: Any = None, **attributes: Any) -> Any:
        made = ir.Operation.create(
            f"llvm.{name}", results=[result] if result else [], operands=list(operands), attributes=attributes
        )
        return made.result if result else None

    def constant(self, value: int, type: Any = None) -> Any:
        type = type or self.i64
        return self.op("mlir.constant", (), type, value=ir.IntegerAttr.get(type, value))

    def load(self, address: Any, type: Any) -> Any:
        return self.op("load", [address], type)

    def store(self, value: Any, address: Any) -> None:
        self.op("store", [value, address])

    def offset(self, address: Any, index: int, type: Any) -> Any:
        return self.op(
            "getelementptr",
            [address],
            self.pointer,
            elem_type=ir.TypeAttr.get(type),
            rawConstantIndices=ir.DenseI32ArrayAttr.get([index]),
        )

    def moved(self, address: Any, bytes: Any) -> Any:
        """An address and so many bytes more."""
        return self.op(
            "getelementptr",
            [address, bytes],
            self.pointer,
            elem_type=ir.TypeAttr.get(ir.IntegerType.get_signless(8)),
            rawConstantIndices=ir.DenseI32ArrayAttr.get([DYNAMIC]),
        )

    def repeated(self, count: Any, body: Callable[[Any], None]) -> None:
        """Runs `body` for 0, 1, ..., `count` - 1, where `count` is at least 1; what is written next comes after it."""
        blocks = ir.InsertionPoint.current.block.region.blocks
        inside, after = blocks.append(self.i64), blocks.append()
        (number,) = inside.arguments
        self.branch("br", [self.constant(0)], [inside])
        with ir.InsertionPoint(inside):
            body(number)
            following = self.op("add", [number, self.constant(1)], self.i64)
            more = self.op(
                "icmp", [following, count], ir.IntegerType.get_signless(1), predicate=ir.IntegerAttr.get(self.i64, 2)
            )
            sizes = ir.DenseI32ArrayAttr.get([1, 1, 0])
            self.branch("cond_br", [more, following], [inside, after], operandSegmentSizes=sizes)
        self._points.enter_context(ir.InsertionPoint(after))

    def branch(self, name: str, operands: Sequence[Any], blocks: Sequence[Any], **attributes: Any) -> None:
        ir.Operation.create(f"llvm.{name}", operands=list(operands), successors=list(blocks), attributes=attributes)

    def address_of(self, name: str) -> Any:
        return self.op("mlir.addressof", (), self.pointer, global_name=ir.FlatSymbolRefAttr.get(name))

    def call(self, name: str, operands: Sequence[Any]) -> None:
        self.op(
            "call",
            operands,
            callee=ir.FlatSymbolRefAttr.get(name),
            op_bundle_sizes=ir.DenseI32ArrayAttr.get([]),
            operandSegmentSizes=ir.DenseI32ArrayAttr.get([len(operands), 0]),
        )

    def intrinsic(self, name: str, operands: Sequence[Any], result: Any = None) -> Any:
        return self.op(
            "call_intrinsic",
            operands,
            result,
            intrin=ir.StringAttr.get(name),
            op_bundle_sizes=ir.DenseI32ArrayAttr.get([]),
            operandSegmentSizes=ir.DenseI32ArrayAttr.get([len(operands), 0]),
        )

    def table(self, size: int, type: Any) -> Any:
        """Room for `size` values on the stack."""
        return self.op("alloca", [self.constant(max(size, 1))], self.pointer, elem_type=ir.TypeAttr.get(type))

    def function(self, name: str, types: Sequence[Any], body: Callable[..., None]) -> None:
        listed = ", ".join(str(t).removeprefix("!llvm.") for t in types)
        op = ir.Operation.create(
            "llvm.func",
            regions=1,
            attributes={
                "sym_name": ir.StringAttr.get(name),
                "function_type": ir.TypeAttr.get(ir.Type.parse(f"!llvm.func<void ({listed})>")),
                "linkage": ir.Attribute.parse("#llvm.linkage<external>"),
                "passthrough": ir.ArrayAttr.get([ir.StringAttr.get("nounwind"), ir.StringAttr.get("noinline")]),
            },
        )
        block = op.regions[0].blocks.append(*types)
        with ExitStack() as self._points:
            self._points.enter_context(ir.InsertionPoint(block))
            body(*block.arguments)
            self.op("return")

    # What the module gets.

    def globals(self) -> None:
        self._global(CONSTANTS, ir.IntegerType.get_signless(8), None)
        words = [int(w) for w in self.layout.keys(0)] or [0]
        type = ir.Type.parse(f"!llvm.array<{len(words)} x i32>")
        values = ", ".join(str(w - (1 << 32) if w >= 1 << 31 else w) for w in words)
        self._global(DEFAULT_KEYS, type, ir.Attribute.parse(f"dense<[{values}]> : tensor<{len(words)}xi32>"))

    def _global(self, name: str, type: Any, value: Any) -> None:
        attributes = {
            "sym_name": ir.StringAttr.get(name),
            "global_type": ir.TypeAttr.get(type),
            "linkage": ir.Attribute.parse(f"#llvm.linkage<{'external' if value is None else 'internal'}>"),
            "constant": ir.UnitAttr.get(),
        }
        if value is not None:
            attributes["value"] = value
        ir.Operation.create("llvm.mlir.global", regions=1, attributes=attributes)

    def flushed(self, body: Callable[[], None]) -> None:
        """Runs `body` with subnormals counted as zero, and sets the mode back."""
        mode = self.plan.flush
        if mode == "store":
            body()
            return
        word = self.i32 if mode == "mxcsr" else self.i64
        before = self._mode(word)
        self._set_mode(self.op("or", [before, self.constant(FLUSH_BITS[mode], word)], word))
        body()
        self._set_mode(before)

    def _mode(self, word: Any) -> Any:
        if self.plan.flush == "mxcsr":
            cell = self.table(1, word)
            self.intrinsic("llvm.x86.sse.stmxcsr", [cell])
            return self.load(cell, word)
        return self.intrinsic("llvm.aarch64.get.fpcr", [], word)

    def _set_mode(self, value: Any) -> None:
        if self.plan.flush == "mxcsr":
            cell = self.table(1, self.i32)
            self.store(value, cell)
            self.intrinsic("llvm.x86.sse.ldmxcsr", [cell])
        else:
            self.intrinsic("llvm.aarch64.set.fpcr", [value])

    def unpacked(self, table: Any) -> list[Any]:
        """The pointers of the host's table."""
        hosts = range(self.plan.host_entries())
        return [self.load(self.offset(table, i, self.pointer), self.pointer) for i in hosts]

    def workers(self) -> None:
        pointer, word = self.pointer, self.i64

        def cut(constants: Any, blocks: Any, worker: Any, count: Any) -> None:
            self.call("cpu.cut", [constants, blocks, worker, count])

        def run(
            arena: Any, constants: Any, host: Any, strides: Any, blocks: Any, worker: Any, count: Any, *steps: Any
        ) -> None:
            given = [arena, constants, *self.unpacked(host), strides, blocks, worker, count, *steps]
            self.flushed(lambda: self.call("cpu.share", given))

        self.function("spikec_cut", [pointer, pointer, word, word], cut)
        self.function("spikec_share", [*[pointer] * 5, word, word, word, word], run)

    def internal(self) -> None:
        pointer, word = self.pointer, self.i64

        def init(arena: Any, constants: Any, keys: Any, sample: Any) -> None:
            self.flushed(lambda: self.call("cpu.init", [arena, constants, keys, sample]))

        def run(arena: Any, constants: Any, host: Any, strides: Any, begin: Any, end: Any) -> None:
            self.flushed(lambda: self.call("cpu.run", [arena, constants, *self.unpacked(host), strides, begin, end]))

        def finish(arena: Any, constants: Any, host: Any, steps: Any) -> None:
            self.flushed(lambda: self.call("cpu.finish", [arena, constants, *self.unpacked(host), steps]))

        self.function("spikec_init", [pointer, pointer, pointer, self.i32], init)
        self.function("spikec_run", [pointer, pointer, pointer, pointer, word, word], run)
        self.function("spikec_finish", [pointer, pointer, pointer, word], finish)

    def samples(self) -> None:
        """Samples one after the other: each begins, runs and ends, and leaves its counts."""
        pointer, word = self.pointer, self.i64
        byte = ir.IntegerType.get_signless(8)

        def run(
            arena: Any,
            constants: Any,
            keys: Any,
            host: Any,
            strides: Any,
            jumps: Any,
            counts: Any,
            first: Any,
            samples: Any,
            steps: Any,
        ) -> None:
            places = [
                (place, self.load(self.offset(jumps, i, word), word)) for i, place in enumerate(self.unpacked(host))
            ]

            def one(number: Any) -> None:
                sample = self.op("trunc", [self.op("add", [first, number], word)], self.i32)
                arrays = [self.moved(place, self.op("mul", [number, jump], word)) for place, jump in places]
                self.call("cpu.init", [arena, constants, keys, sample])
                # What the start of a network adds is no work of a step.
                before = counters()
                self.call("cpu.run", [arena, constants, *arrays, strides, self.constant(0), steps])
                size = self.constant(WORD * len(self.layout.counters))
                row = self.moved(counts, self.op("mul", [number, size], word))
                for i, (now, old) in enumerate(zip(counters(), before, strict=True)):
                    self.store(self.op("sub", [now, old], word), self.offset(row, i, word))
                self.call("cpu.finish", [arena, constants, *arrays, steps])

            def counters() -> list[Any]:
                return [self.load(self.offset(arena, offset, byte), word) for _, offset in self.layout.counters]

            self.flushed(lambda: self.repeated(samples, one))

        self.function("spikec_samples", [*[pointer] * 7, word, word, word], run)

    def interface(self) -> None:
        pointer, word = self.pointer, self.i64
        inputs, outputs = len(self.layout.inputs), len(self.layout.outputs)
        results = len(self.layout.results)

        def host(given: Any, wanted: Any) -> Any:
            """The host's table of the structures `net_in` and `net_out`; probes are null."""
            table = self.table(self.plan.host_entries(), pointer)
            null = self.op("mlir.zero", (), pointer)
            for i in range(self.plan.host_entries()):
                value = null
                if i < inputs:
                    value = null if given is None else self.load(self.offset(given, i, pointer), pointer)
                elif i < inputs + outputs + results:
                    value = self.load(self.offset(wanted, i - inputs, pointer), pointer)
                self.store(value, self.offset(table, i, pointer))
            return table

        def init(state: Any) -> None:
            self.call(
                "spikec_init",
                [state, self.address_of(CONSTANTS), self.address_of(DEFAULT_KEYS), self.constant(0, self.i32)],
            )

        def seed(state: Any, keys: Any, sample: Any) -> None:
            self.call("spikec_init", [state, self.address_of(CONSTANTS), keys, sample])

        def run(state: Any, given: Any, wanted: Any, steps: Any) -> None:
            table, strides = host(given, wanted), self.table(inputs, word)
            for i, stream in enumerate(self.layout.inputs):
                self.store(self.constant(stream.size), self.offset(strides, i, word))
            clock = self.offset(state, STEPS, ir.IntegerType.get_signless(8))
            begin = self.load(clock, word)
            end = self.op("add", [begin, steps], word)
            self.call("spikec_run", [state, self.address_of(CONSTANTS), table, strides, begin, end])
            self.store(end, clock)

        def one(state: Any, given: Any, wanted: Any) -> None:
            self.call("net_run", [state, given, wanted, self.constant(1)])

        def finish(state: Any, wanted: Any) -> None:
            steps = self.load(self.offset(state, STEPS, ir.IntegerType.get_signless(8)), word)
            self.call("spikec_finish", [state, self.address_of(CONSTANTS), host(None, wanted), steps])

        self.function("net_init", [pointer], init)
        if self.layout.draws:
            self.function("net_seed", [pointer, pointer, self.i32], seed)
        self.function("net_run", [pointer, pointer, pointer, word], run)
        self.function("net_step", [pointer, pointer, pointer], one)
        self.function("net_finish", [pointer, pointer], finish)
