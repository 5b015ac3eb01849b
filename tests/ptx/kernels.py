"""LLVM IR by hand: a row of packed synapses added by a warp, a kernel with too many values, one with shared memory."""

from __future__ import annotations

_TARGETS = "".join(
    f"""
  %x{j} = extractelement <4 x i32> %v, i32 {j}
  %t{j} = and i32 %x{j}, 65535
  %a{j} = ashr i32 %x{j}, 16
  %q{j} = getelementptr inbounds i32, ptr addrspace(1) %out, i32 %t{j}
  %o{j} = atomicrmw add ptr addrspace(1) %q{j}, i32 %a{j} syncscope("device") monotonic"""
    for j in range(4)
)
CHUNKS = f"""
define ptx_kernel void @chunks(ptr addrspace(1) noalias readonly %words, ptr addrspace(1) noalias readonly %starts,
    ptr addrspace(1) noalias readonly align 16 %synapses, ptr addrspace(1) %out) #0 {{
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %block = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %lane = and i32 %tid, 31
  %warp = lshr i32 %tid, 5
  %warps = shl i32 %block, 2
  %at = add i32 %warps, %warp
  %word.at = getelementptr inbounds i32, ptr addrspace(1) %words, i32 %at
  %word = load i32, ptr addrspace(1) %word.at
  %base = shl i32 %at, 5
  br label %sources
sources:
  %left = phi i32 [%word, %0], [%rest, %done]
  %none = icmp eq i32 %left, 0
  br i1 %none, label %end, label %source
source:
  %bit = call i32 @llvm.cttz.i32(i32 %left, i1 true)
  %less = add i32 %left, -1
  %rest = and i32 %left, %less
  %number = add i32 %base, %bit
  %start.at = getelementptr inbounds i32, ptr addrspace(1) %starts, i32 %number
  %start = load i32, ptr addrspace(1) %start.at
  %stop.at = getelementptr inbounds i32, ptr addrspace(1) %start.at, i32 1
  %stop = load i32, ptr addrspace(1) %stop.at
  %first = add i32 %start, %lane
  br label %chunk
chunk:
  %i = phi i32 [%first, %source], [%next, %add]
  %more = icmp ult i32 %i, %stop
  br i1 %more, label %add, label %done
add:
  %p = getelementptr inbounds <4 x i32>, ptr addrspace(1) %synapses, i32 %i
  %v = load <4 x i32>, ptr addrspace(1) %p, align 16
  %next = add i32 %i, 32{_TARGETS}
  br label %chunk
done:
  br label %sources
end:
  ret void
}}
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.cttz.i32(i32, i1)
attributes #0 = {{ "nvvm.maxntid"="128" "denormal-fp-math-f32"="preserve-sign,preserve-sign" }}
"""

_WIDE = 80
SPILLS = (
    "define ptx_kernel void @wide(ptr addrspace(1) %p) #0 {\n"
    + "".join(
        f"  %p{k} = getelementptr inbounds i32, ptr addrspace(1) %p, i32 {k}\n"
        f"  %v{k} = load volatile i32, ptr addrspace(1) %p{k}\n"
        for k in range(_WIDE)
    )
    + "".join(f"  store volatile i32 %v{k}, ptr addrspace(1) %p{(7 * k) % _WIDE}\n" for k in range(_WIDE))
    + """  ret void
}
@kept = internal addrspace(3) global [128 x i32] undef
define ptx_kernel void @shares(ptr addrspace(1) %p) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %s = getelementptr i32, ptr addrspace(3) @kept, i32 %t
  %g = getelementptr i32, ptr addrspace(1) %p, i32 %t
  %v = load i32, ptr addrspace(1) %g
  store volatile i32 %v, ptr addrspace(3) %s
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %w = load volatile i32, ptr addrspace(3) %s
  store i32 %w, ptr addrspace(1) %g
  ret void
}
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
attributes #0 = { "nvvm.maxntid"="128" "nvvm.maxnreg"="32" }
"""
)
