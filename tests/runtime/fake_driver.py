"""A stand-in for `cuda.bindings.driver`: it writes down every call, and keeps memory in numpy."""

from __future__ import annotations

import ctypes
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np

CONTEXT, STREAM, GRAPH, READY, MODULE = 11, 12, 13, 14, 15


class Status(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_INVALID_PTX = 218


class FakeDriver:
    """`calls` are (name, arguments) of every call, `functions` the kernels by name, `fails` statuses of calls by name."""

    CUresult = Status
    CUstream_flags = SimpleNamespace(CU_STREAM_NON_BLOCKING=1)
    CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL=1)
    CUjit_option = SimpleNamespace(CU_JIT_ERROR_LOG_BUFFER=5, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES=6)
    CUfunction_attribute = SimpleNamespace(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES=8)
    CUdevice_attribute = SimpleNamespace(
        CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH=95, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT=16
    )
    LOG = b"ptxas fatal: line 3: no such thing"

    def __init__(self, **fails: Status) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.fails = fails
        self.functions: dict[str, int] = {}
        self.memory: dict[int, Any] = {}
        self.attributes = {95: 1, 16: 10}

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cu"):
            raise AttributeError(name)

        def call(*arguments: Any) -> tuple[Any, ...]:
            self.calls.append((name, arguments))
            status = self.fails.get(name, Status.CUDA_SUCCESS)
            if status == Status.CUDA_SUCCESS or name == "cuModuleLoadDataEx":
                return (status, *self.given(name, *arguments))
            return (status, None)

        return call

    def given(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        """What a call gives beside its status."""
        match name:
            case "cuGetErrorString":
                return (b"the device says no",)
            case "cuMemAlloc":
                address = 4096 * (len(self.memory) + 1)
                self.memory[address] = np.zeros(arguments[0], np.uint8)
                return (address,)
            case "cuMemGetInfo":
                return (8 << 30, 16 << 30)
            case "cuMemcpyHtoDAsync":
                place, host, size, _ = arguments
                self.bytes_at(place, size)[:] = np.frombuffer(ctypes.string_at(host, size), np.uint8)
            case "cuMemcpyDtoHAsync":
                host, place, size, _ = arguments
                ctypes.memmove(host, self.bytes_at(place, size).tobytes(), size)
            case "cuMemsetD32Async":
                place, word, count, _ = arguments
                self.bytes_at(place, 4 * count)[:] = np.full(count, word, np.uint32).view(np.uint8)
            case "cuModuleLoadDataEx":
                if name in self.fails:
                    arguments[3][0][: len(self.LOG)] = self.LOG
                return (MODULE,)
            case "cuModuleGetFunction":
                return (self.functions.setdefault(arguments[1].decode(), 100 + len(self.functions)),)
            case "cuOccupancyMaxActiveBlocksPerMultiprocessor":
                return (3,)
            case "cuDeviceGetAttribute":
                return (self.attributes[arguments[0]],)
            case _ if name in _GIVES:
                return (_GIVES[name],)
        return ()

    def bytes_at(self, place: int, size: int) -> Any:
        """The bytes of memory from an address on."""
        base = max(address for address in self.memory if address <= place)
        found = self.memory[base][place - base : place - base + size]
        assert found.size == size
        return found

    def named(self, *names: str) -> list[tuple[Any, ...]]:
        """The arguments of the calls of some names, in order."""
        return [arguments for name, arguments in self.calls if name in names]


_GIVES = {
    "cuDeviceGet": 0,
    "cuDevicePrimaryCtxRetain": CONTEXT,
    "cuStreamCreate": STREAM,
    "cuStreamEndCapture": GRAPH,
    "cuGraphInstantiate": READY,
}
