"""The processors that PTX is made for, and what one of their multiprocessors holds.

Numbers of the architecture are from the CUDA C++ Programming Guide ("Compute Capabilities", technical specifications);
numbers of multiprocessors are those of the smallest board that is common, as NVIDIA's data sheets name it.
"""

from __future__ import annotations

from dataclasses import dataclass

OLDEST = 70
"""Older chips have no independent threads and none of PTX's orders of memory."""

REGISTERS = 65536
"""Registers of 32 bits in a multiprocessor, on all of them."""


@dataclass(frozen=True, slots=True)
class Chip:
    """`name` is what LLVM and ptxas call it.

    A multiprocessor holds `blocks` blocks and `threads` threads at once, and `shared` bytes of shared memory, of which
    a block may have all but 1 KB.  `multiprocessors` is None where no board is the common one.
    """

    name: str
    multiprocessors: int | None
    blocks: int
    threads: int
    shared: int

    def resident(self, threads: int, registers: int, shared: int = 0) -> int | None:
        """How many blocks of `threads` threads the smallest board holds at once.

        `registers` are those of a thread; a warp gets them in steps of 256.
        """
        if self.multiprocessors is None:
            return None
        warps = -(-threads // 32)
        per_warp = -(-32 * registers // 256) * 256
        limits = [self.blocks, self.threads // threads, REGISTERS // (per_warp * warps)]
        if shared:
            limits.append(self.shared // (shared + 1024))
        return self.multiprocessors * min(limits)


KB = 1024
CHIPS = {
    chip.name: chip
    for chip in (
        Chip("sm_70", 80, 32, 2048, 96 * KB),  # V100
        Chip("sm_75", 40, 16, 1024, 64 * KB),  # T4
        Chip("sm_80", 56, 32, 2048, 164 * KB),  # A30
        Chip("sm_86", 20, 16, 1536, 100 * KB),  # RTX 3050
        Chip("sm_89", 24, 24, 1536, 100 * KB),  # RTX 4060
        Chip("sm_90", 114, 32, 2048, 228 * KB),  # H100 PCIe
        Chip("sm_100", 148, 32, 2048, 228 * KB),  # B200
        Chip("sm_103", None, 32, 2048, 228 * KB),
        Chip("sm_120", 30, 24, 1536, 100 * KB),  # RTX 5060
        Chip("sm_121", 48, 24, 1536, 100 * KB),  # GB10
    )
}
