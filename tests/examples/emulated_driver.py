"""CUDA's driver API as far as the loaders of `examples/ptx_loader` call it, on the emulated device."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from spikec.runtime.executor import Machine


class EmulatedDriver:
    """Functions as those of `cuda.bindings.driver`; memory of the host is given by address."""

    def __init__(self) -> None:
        self.machine = Machine(poison=True, races=True)
        self.kernels: list[Any] = []

    def cuInit(self, flags: int) -> tuple[int]:
        return (0,)

    def cuDeviceGet(self, number: int) -> tuple[int, int]:
        return 0, number

    def cuDevicePrimaryCtxRetain(self, device: int) -> tuple[int, int]:
        return 0, 1

    def cuCtxSetCurrent(self, context: int) -> tuple[int]:
        return (0,)

    def cuModuleLoadData(self, text: bytes | int) -> tuple[int, int]:
        data = text if isinstance(text, bytes) else ctypes.string_at(text)
        self.module = self.machine.load(data.rstrip(b"\0").decode())
        return 0, 1

    def cuModuleGetFunction(self, module: int, name: bytes | int) -> tuple[int, int]:
        text = name if isinstance(name, bytes) else ctypes.string_at(name)
        self.kernels.append(self.module.kernels[text.decode()])
        return 0, len(self.kernels)

    def cuMemAlloc(self, size: int) -> tuple[int, int]:
        return 0, self.machine.allocate(size)

    def cuMemFree(self, address: int) -> tuple[int]:
        self.machine.free(address)
        return (0,)

    def cuMemcpyHtoD(self, address: int, host: int, size: int) -> tuple[int]:
        self.machine.write(address, np.frombuffer(ctypes.string_at(host, size), np.uint8))
        return (0,)

    def cuMemcpyDtoH(self, host: int, address: int, size: int) -> tuple[int]:
        ctypes.memmove(host, self.machine.read(address, np.uint8, size).tobytes(), size)
        return (0,)

    def cuLaunchKernel(self, function: int, *shape_and_rest: int) -> tuple[int]:
        *shape, shared, _, parameters, _ = shape_and_rest
        kernel = self.kernels[function - 1]
        pointers = (ctypes.c_void_p * len(kernel.parameters)).from_address(parameters)
        arguments = [ctypes.string_at(p or 0, k.size) for p, k in zip(pointers, kernel.parameters, strict=True)]
        grid, block = (shape[0], shape[1], shape[2]), (shape[3], shape[4], shape[5])
        self.machine.launch(kernel, grid, block, shared, arguments)
        return (0,)


Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.c_uint64), ctypes.c_int)

SOURCE = """
#include <cuda.h>
#include <cstdint>

using Callback = int (*)(const char *, const uint64_t *, int);
extern "C" { Callback callback; }

template <class... Words> static CUresult call(const char *name, Words... given) {
  const uint64_t words[] = {uint64_t(given)...};
  return CUresult(callback(name, words, int(sizeof...(given))));
}

CUresult cuInit(unsigned flags) { return call("cuInit", flags); }
CUresult cuGetErrorString(CUresult, const char **text) { *text = "an error"; return CUDA_SUCCESS; }
CUresult cuDeviceGet(CUdevice *out, int n) { return call("cuDeviceGet 4", out, n); }
CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice n) { return call("cuDevicePrimaryCtxRetain 8", out, n); }
CUresult cuCtxSetCurrent(CUcontext context) { return call("cuCtxSetCurrent", context); }
CUresult cuModuleLoadData(CUmodule *out, const void *text) { return call("cuModuleLoadData 8", out, text); }
CUresult cuModuleGetFunction(CUfunction *out, CUmodule module, const char *name) {
  return call("cuModuleGetFunction 8", out, module, name);
}
CUresult cuMemAlloc(CUdeviceptr *out, size_t size) { return call("cuMemAlloc 8", out, size); }
CUresult cuMemcpyHtoD(CUdeviceptr to, const void *from, size_t size) { return call("cuMemcpyHtoD", to, from, size); }
CUresult cuMemcpyDtoH(void *to, CUdeviceptr from, size_t size) { return call("cuMemcpyDtoH", to, from, size); }
CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                        unsigned shared, CUstream stream, void **parameters, void **extra) {
  return call("cuLaunchKernel", f, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra);
}
"""
"""The same functions for C: each calls `callback` with its name, the bytes of its result, and its arguments."""


def answering(driver: EmulatedDriver, failed: list[BaseException]) -> Any:
    """A `callback` for `SOURCE`; what goes wrong is kept in `failed`."""

    def callback(name: bytes, words: Any, count: int) -> int:
        function, _, width = name.decode().partition(" ")
        arguments: Sequence[int] = words[:count]
        try:
            _, *results = getattr(driver, function)(*(arguments[1:] if width else arguments))
        except BaseException as error:
            failed.append(error)
            return 1
        if width:
            ctypes.memmove(arguments[0], int(results[0]).to_bytes(int(width), "little"), int(width))
        return 0

    return Callback(callback)
