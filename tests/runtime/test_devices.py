"""Devices: the calls that reach CUDA's driver, told by a stand-in, and the emulation."""

from __future__ import annotations

import ctypes
import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spikec.dialects.diagnostics import CompileError, InternalError, MissingTool, UsageError
from spikec.runtime import devices, gpu
from spikec.runtime.devices import cuda
from spikec.runtime.devices.cuda import CudaDevice
from spikec.runtime.devices.device import Launch
from spikec.runtime.devices.emulated import EmulatedDevice
from spikec.runtime.executor import ExecutionError
from spikec.runtime.gpu import GpuEngine
from spikec.runtime.run import Executable

from tests.runtime import kernels
from tests.runtime.fake_driver import CONTEXT, MODULE, READY, STREAM, FakeDriver, Status

LAUNCH = Launch(21, (3, 2), 128, 7, (4096, 8192), shared=512)
COOPERATIVE = Launch(21, (1, 1), 32, 0, (), cooperative=True)


def test_the_driver_is_given_a_stream_of_its_own() -> None:
    driver = FakeDriver()
    CudaDevice(driver)
    assert driver.calls == [
        ("cuInit", (0,)),
        ("cuDeviceGet", (0,)),
        ("cuDevicePrimaryCtxRetain", (0,)),
        ("cuCtxSetCurrent", (CONTEXT,)),
        ("cuStreamCreate", (1,)),
        ("cuMemGetInfo", ()),
    ]


def test_memory_is_written_filled_and_read_in_the_order_of_the_stream() -> None:
    driver = FakeDriver()
    device = CudaDevice(driver)
    address = device.allocate(64)
    device.fill(address, 7, 16)
    device.write(address, np.array([1.5, 2.5], np.float32), offset=8)
    assert device.read(address, np.float32, 2, 8).tolist() == [1.5, 2.5]
    assert device.read(address, np.int32, 3).tolist()[:2] == [7, 7]
    assert driver.named("cuMemsetD32Async") == [(address, 7, 16, STREAM)]
    assert all(a[-1] == STREAM for a in driver.named("cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync"))
    device.free(address)
    assert driver.named("cuMemFree") == [(address,)]


def test_what_was_taken_is_given_back() -> None:
    driver = FakeDriver()
    device = CudaDevice(driver)
    first, second = device.allocate(8), device.allocate(8)
    device.load("text")
    device.free(first)
    device.close()
    assert driver.named("cuMemFree") == [(first,), (second,)]
    assert driver.named("cuModuleUnload") == [(MODULE,)]
    assert driver.calls[-1][0] == "cuDevicePrimaryCtxRelease"


def test_the_memory_is_what_is_free_or_what_was_given() -> None:
    assert CudaDevice(FakeDriver()).memory() == 8 * (1 << 30) * 15 // 16
    assert CudaDevice(FakeDriver(), memory=1000).memory() == 1000


def test_a_launch_gives_the_number_and_the_addresses_with_their_types() -> None:
    driver = FakeDriver()
    CudaDevice(driver).launch(LAUNCH)
    (arguments,) = driver.named("cuLaunchKernel")
    values = ((7, 4096, 8192), (ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p))
    assert arguments == (21, 3, 2, 1, 128, 1, 1, 512, STREAM, values, 0)


def test_a_cooperative_launch_is_another_call() -> None:
    driver = FakeDriver()
    CudaDevice(driver).launch(COOPERATIVE)
    assert driver.named("cuLaunchCooperativeKernel")[0][:9] == (21, 1, 1, 1, 32, 1, 1, 0, STREAM)
    assert not driver.named("cuLaunchKernel")


def test_a_graph_is_what_the_stream_captured() -> None:
    driver = FakeDriver()
    device = CudaDevice(driver)
    graph = device.record([LAUNCH, LAUNCH])
    device.replay(graph)
    device.discard(graph)
    made = [name for name, _ in driver.calls[6:]]
    assert made == [
        "cuStreamBeginCapture",
        "cuLaunchKernel",
        "cuLaunchKernel",
        "cuStreamEndCapture",
        "cuGraphInstantiate",
        "cuGraphDestroy",
        "cuGraphLaunch",
        "cuStreamSynchronize",
        "cuGraphExecDestroy",
    ]
    assert driver.named("cuGraphLaunch") == [(READY, STREAM)]


def test_much_shared_memory_is_asked_for() -> None:
    driver = FakeDriver()
    device = CudaDevice(driver)
    module = device.load("text")
    device.function(module, "small", 48 << 10)
    device.function(module, "large", 96 << 10)
    assert driver.named("cuFuncSetAttribute") == [(driver.functions["large"], 8, 96 << 10)]


def test_blocks_that_are_resident() -> None:
    driver = FakeDriver()
    device = CudaDevice(driver)
    assert device.resident(21, 128, 0) == 30
    driver.attributes[95] = 0
    assert device.resident(21, 128, 0) == 0


def test_the_text_that_the_driver_refuses_is_told_with_its_log() -> None:
    device = CudaDevice(FakeDriver(cuModuleLoadDataEx=Status.CUDA_ERROR_INVALID_PTX))
    with pytest.raises(CompileError, match=r"E0705.*the device says no: ptxas fatal: line 3"):
        device.load("text")


def test_what_the_driver_refuses() -> None:
    with pytest.raises(MissingTool, match=r"no GPU.*the device says no\n.*--device emulated"):
        CudaDevice(FakeDriver(cuDeviceGet=Status.CUDA_ERROR_NO_DEVICE))
    with pytest.raises(MemoryError):
        CudaDevice(FakeDriver(cuMemAlloc=Status.CUDA_ERROR_OUT_OF_MEMORY)).allocate(1)
    with pytest.raises(InternalError, match="cuLaunchKernel: the device says no"):
        CudaDevice(FakeDriver(cuLaunchKernel=Status.CUDA_ERROR_NO_DEVICE)).launch(LAUNCH)


def test_a_network_on_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's calls for a run of ten steps, which are eleven rounds: two graphs of four, and three launches."""
    monkeypatch.setattr(gpu, "GRAPH_ROUNDS", 4)
    driver = FakeDriver()
    device = CudaDevice(driver)
    made = GpuEngine(device, kernels.TEXT, kernels.launches(), kernels.CONSTANTS, kernels.INTERFACE, "graph")
    Executable(made, "ptx").run({"x": np.zeros((10, kernels.SIZE), bool)})
    begin = next(k for k, (name, _) in enumerate(driver.calls) if name == "cuStreamBeginCapture")
    run = [name for name, _ in driver.calls[begin:] if name in ("cuGraphLaunch", "cuLaunchKernel", "cuMemsetD32Async")]
    assert run[:4] == ["cuLaunchKernel"] * 4  # captured
    assert run[4:] == ["cuMemsetD32Async", "cuGraphLaunch"] * 2 + ["cuMemsetD32Async"] + ["cuLaunchKernel"] * 4
    numbers = [arguments[9][0][0] for arguments in driver.named("cuLaunchKernel")]
    assert numbers == [0, 1, 2, 3, 0, 1, 2, 0]  # the last one is `finish`
    rounds = [arguments[1] for arguments in driver.named("cuMemsetD32Async")][-3:]
    assert rounds == [0, 4, 8]


def test_the_persistent_kernel_on_the_driver() -> None:
    driver = FakeDriver()
    made = GpuEngine(
        CudaDevice(driver), kernels.TEXT, kernels.launches(), kernels.CONSTANTS, kernels.INTERFACE, "persistent"
    )
    Executable(made, "ptx").run({"x": np.zeros((10, kernels.SIZE), bool)})
    assert [a[:2] for a in driver.named("cuLaunchCooperativeKernel")] == [(driver.functions["persistent"], 2)]
    assert driver.named("cuOccupancyMaxActiveBlocksPerMultiprocessor")[0] == (driver.functions["persistent"], 128, 0)


def test_a_run_is_persistent_where_its_blocks_fit() -> None:
    for cooperative in (1, 0):
        driver = FakeDriver()
        driver.attributes[95] = cooperative
        made = GpuEngine(CudaDevice(driver), kernels.TEXT, kernels.launches(), kernels.CONSTANTS, kernels.INTERFACE)
        Executable(made, "ptx").run({"x": np.zeros((10, kernels.SIZE), bool)})
        assert len(driver.named("cuLaunchCooperativeKernel")) == cooperative


def test_the_bindings_take_every_call() -> None:
    """Each call up to the place where the bindings look for the driver's library: names and types are right."""
    real = pytest.importorskip("cuda.bindings.driver", reason="cuda-bindings is not installed")
    try:
        real.cuInit(0)
        pytest.skip("there is a driver, which calls without sense could harm")
    except RuntimeError as error:
        absent = type(error)
    fake = FakeDriver(cuModuleLoadDataEx=Status.CUDA_ERROR_INVALID_PTX)
    for holder in ("CUstream_flags", "CUstreamCaptureMode", "CUfunction_attribute", "CUjit_option"):
        setattr(fake, holder, getattr(real, holder))
    attributes = real.CUdevice_attribute
    fake.CUdevice_attribute = attributes
    fake.attributes = {attributes.CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH: 1}
    fake.attributes |= {attributes.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: 1}
    device = CudaDevice(fake)
    address = device.allocate(64)
    device.write(address, np.zeros(2))
    device.read(address, np.int8, 4)
    device.fill(address, 0, 1)
    device.free(address)
    device.function(MODULE, "f", 96 << 10)
    device.launch(COOPERATIVE)
    graph = device.record([LAUNCH])
    device.replay(graph)
    device.discard(graph)
    device.resident(21, 128, 0)
    with pytest.raises(CompileError):
        device.load("text")
    del fake.fails["cuModuleLoadDataEx"]
    device.load("text")
    device.close()
    named = set(re.findall(r'"?\b(cu[A-Z]\w+)\b', Path(cuda.__file__).read_text()))
    assert {name for name, _ in fake.calls} == named
    for name, arguments in fake.calls:
        if name != "cuGetErrorString":
            with pytest.raises(absent):
                getattr(real, name)(*arguments)
    assert real.CUresult.CUDA_ERROR_OUT_OF_MEMORY == Status.CUDA_ERROR_OUT_OF_MEMORY


def test_without_bindings_or_a_driver_the_emulation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingTool, match=r"pip install 'spikec\[cuda\]'.*--device emulated"):
        devices.open_device("cuda")


def test_an_unknown_device() -> None:
    with pytest.raises(UsageError, match="'gpu'; there is cuda, emulated"):
        devices.open_device("gpu")


# ---------------------------------------------------------------- emulation


def test_the_emulation_has_the_memory_that_it_was_given() -> None:
    device = devices.open_device("emulated", 4096)
    assert device.memory() == 4096
    address = device.allocate(4096)
    with pytest.raises(MemoryError):
        device.allocate(256)
    device.fill(address, 3, 1024)
    assert device.read(address, np.int32, 2, 8).tolist() == [3, 3]


def test_an_access_outside_a_buffer_is_told() -> None:
    device = EmulatedDevice()
    module = device.load(kernels.TEXT)
    small = tuple(device.allocate(16) for _ in kernels.STEP)
    with pytest.raises(ExecutionError, match=r"kernel step, line \d+, block .* thread"):
        device.launch(Launch(device.function(module, "step"), (2, 1), 128, 0, small))
