"""LLVM IR text to PTX text."""

from __future__ import annotations

import functools
from typing import Any

from spikec.backends.llvm import binding
from spikec.dialects.diagnostics import InternalError

TRIPLE = "nvptx64-nvidia-cuda"


@functools.cache
def _machine(chip: str) -> Any:
    # Without a feature LLVM writes the lowest version of PTX that the chip has, which the most drivers take.
    return binding().Target.from_triple(TRIPLE).create_target_machine(cpu=chip, opt=3)


def ptx(text: str, chip: str) -> str:
    """The PTX of LLVM IR; the same text for the same text.  Raises `InternalError` for IR that is wrong."""
    llvm, machine = binding(), _machine(chip)
    try:
        module = llvm.parse_assembly(text)
        module.triple, module.data_layout = TRIPLE, str(machine.target_data)
        module.verify()
    except RuntimeError as error:
        raise InternalError(f"LLVM refuses the generated code: {error}", "step_to_gpu", text) from None
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = False  # ptxas and the driver do it, who know the chip: the text is shorter by a fifth
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return str(machine.emit_assembly(module))
