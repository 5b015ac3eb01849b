"""Devices that run kernels: a GPU through CUDA's driver, and its emulation on this processor."""

from __future__ import annotations

from spikec.dialects.diagnostics import UsageError
from spikec.runtime.devices.device import Device

__all__ = ["CUDA", "DEVICES", "EMULATED", "Device", "open_device"]

CUDA, EMULATED = "cuda", "emulated"
DEVICES = (CUDA, EMULATED)


def open_device(name: str = CUDA, memory: int | None = None) -> Device:
    """The device of a name; `memory` bounds the bytes that it gives out.

    Raises MissingTool where CUDA's driver or a GPU is missing, UsageError for an unknown name.
    """
    if name == CUDA:
        from spikec.runtime.devices.cuda import CudaDevice

        return CudaDevice(memory=memory)
    if name == EMULATED:
        from spikec.runtime.devices.emulated import EmulatedDevice

        return EmulatedDevice(memory=memory)
    raise UsageError(f"unknown device '{name}'; there is {', '.join(DEVICES)}")
