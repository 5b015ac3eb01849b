"""A GPU through CUDA's driver API, by NVIDIA's `cuda-bindings` (the extra `spikec[cuda]`).

No machine of the project has a GPU: what is tested is which calls are made, in which order and with which arguments,
against a stand-in for the bindings.  That a driver takes them, and what a GPU makes of them, was never seen.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic, InternalError, MissingTool
from spikec.runtime.devices.device import Launch

LOG_BYTES = 16 << 10
# Dynamic shared memory that every kernel may have without asking.
PLAIN_SHARED = 48 << 10
EMULATE = "or run on this processor with --device emulated"


class CudaDevice:
    """The first GPU, with a stream of its own, for the thread that made it (`devices.device.Device`).

    `driver` is the module `cuda.bindings.driver` or something like it.  Raises MissingTool without the bindings, a
    driver or a GPU.
    """

    def __init__(self, driver: Any = None, memory: int | None = None) -> None:
        self._driver: Any = driver if driver is not None else _bindings()
        try:
            self._call("cuInit", 0)
            self._device = self._call("cuDeviceGet", 0)
            self._context = self._call("cuDevicePrimaryCtxRetain", self._device)
        except (RuntimeError, InternalError) as error:  # the bindings look for the library at the first call
            message = f"no GPU can be used: {_first_line(error)}\n  install NVIDIA's driver, {EMULATE}"
            raise MissingTool(message) from None
        self._call("cuCtxSetCurrent", self._context)
        # Work is captured into graphs on this stream, which the default stream does not allow.
        self._stream = self._call("cuStreamCreate", self._driver.CUstream_flags.CU_STREAM_NON_BLOCKING)
        free, _ = self._call("cuMemGetInfo")
        usable = int(free) // 16 * 15  # the rest is lost between buffers
        self._memory = usable if memory is None else min(usable, memory)
        self._allocated: set[int] = set()
        self._modules: list[Any] = []

    def memory(self) -> int:
        """Most of what was free at the beginning, or less where less was given."""
        return self._memory

    def allocate(self, size: int) -> int:
        """Raises MemoryError where the GPU has not as much."""
        address = int(self._call("cuMemAlloc", max(size, 1)))
        self._allocated.add(address)
        return address

    def free(self, address: int) -> None:
        self.synchronize()
        self._call("cuMemFree", address)
        self._allocated.discard(address)

    def fill(self, address: int, word: int, count: int) -> None:
        self._call("cuMemsetD32Async", address, word, count, self._stream)

    def write(self, address: int, array: Array, offset: int = 0) -> None:
        data = np.ascontiguousarray(array)
        self._call("cuMemcpyHtoDAsync", address + offset, data.ctypes.data, data.nbytes, self._stream)
        self.synchronize()  # the copy must not outlive the array

    def read(self, address: int, dtype: DTypeLike, count: int, offset: int = 0) -> Array:
        data: Array = np.empty(count, dtype)
        self._call("cuMemcpyDtoHAsync", data.ctypes.data, address + offset, data.nbytes, self._stream)
        self.synchronize()
        return data

    def load(self, text: str) -> Any:
        """The driver compiles the text for its GPU; what it says stands in the error."""
        options = self._driver.CUjit_option
        log = bytearray(LOG_BYTES)  # written in place
        status, module = self._driver.cuModuleLoadDataEx(
            text.encode() + b"\0",
            2,
            (options.CU_JIT_ERROR_LOG_BUFFER, options.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES),
            (log, LOG_BYTES),
        )
        if int(status) != 0:
            said = bytes(log).split(b"\0")[0].decode(errors="replace").strip()
            message = f"the driver does not take the PTX text: {self._named(status)}" + (f": {said}" if said else "")
            help = "update NVIDIA's driver, or compile for the GPU's own architecture: --target ptx:sm_NN"
            raise CompileError([Diagnostic("E0705", "error", message, help=help)])
        self._modules.append(module)
        return module

    def function(self, module: Any, name: str, shared: int = 0) -> Any:
        function = self._call("cuModuleGetFunction", module, name.encode())
        if shared > PLAIN_SHARED:
            attribute = self._driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            self._call("cuFuncSetAttribute", function, attribute, shared)
        return function

    def launch(self, launch: Launch) -> None:
        values = (launch.number, *launch.addresses)
        types = (ctypes.c_int32, *(ctypes.c_void_p for _ in launch.addresses))
        call = "cuLaunchCooperativeKernel" if launch.cooperative else "cuLaunchKernel"
        rest = () if launch.cooperative else (0,)
        shape = (*launch.grid, 1, launch.block, 1, 1, launch.shared)
        self._call(call, launch.function, *shape, self._stream, (values, types), *rest)

    def record(self, launches: Sequence[Launch]) -> Any:
        """What the stream is given while it captures becomes a chain of nodes."""
        mode = self._driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call("cuStreamBeginCapture", self._stream, mode)
        for launch in launches:
            self.launch(launch)
        graph = self._call("cuStreamEndCapture", self._stream)
        made = self._call("cuGraphInstantiate", graph, 0)
        self._call("cuGraphDestroy", graph)
        return made

    def replay(self, graph: Any) -> None:
        self._call("cuGraphLaunch", graph, self._stream)

    def discard(self, graph: Any) -> None:
        self.synchronize()
        self._call("cuGraphExecDestroy", graph)

    def resident(self, function: Any, block: int, shared: int) -> int:
        """Blocks that one multiprocessor holds, times their number; 0 where the GPU knows no cooperative launch."""
        attributes = self._driver.CUdevice_attribute
        cooperative = attributes.CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH
        if not int(self._call("cuDeviceGetAttribute", cooperative, self._device)):
            return 0
        number = attributes.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
        each = self._call("cuOccupancyMaxActiveBlocksPerMultiprocessor", function, block, shared)
        return int(each) * int(self._call("cuDeviceGetAttribute", number, self._device))

    def has_quick_barriers(self) -> bool:
        """Assumed from what others publish of launches and barriers; it was not measured."""
        return True

    def synchronize(self) -> None:
        self._call("cuStreamSynchronize", self._stream)

    def close(self) -> None:
        self.synchronize()
        for address in self._allocated:
            self._call("cuMemFree", address)
        for module in self._modules:
            self._call("cuModuleUnload", module)
        self._call("cuStreamDestroy", self._stream)
        self._call("cuDevicePrimaryCtxRelease", self._device)

    def _call(self, name: str, *arguments: Any) -> Any:
        """What a function of the driver gives beside its status: nothing, one value, or a tuple.

        Raises MemoryError where memory is lacking and InternalError for all else that goes wrong.
        """
        status, *results = getattr(self._driver, name)(*arguments)
        if int(status) != 0:
            if status == self._driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
                raise MemoryError(f"{name}: the GPU's memory is full")
            raise InternalError(f"{name}: {self._named(status)}", "CUDA's driver")
        return results[0] if len(results) == 1 else tuple(results) or None

    def _named(self, status: Any) -> str:
        """A status as the driver explains it."""
        unknown, text = self._driver.cuGetErrorString(status)
        return f"status {int(status)}" if int(unknown) != 0 or not text else text.decode()


def _bindings() -> Any:
    try:
        return importlib.import_module("cuda.bindings.driver")
    except ImportError:
        message = f"the target ptx needs NVIDIA's bindings: pip install 'spikec[cuda]'; {EMULATE}"
        raise MissingTool(message) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
