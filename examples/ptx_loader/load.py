"""Runs what `spikec compile --target ptx -o DIR` made, without spikec: CUDA's driver, numpy and safetensors are enough.

    python load.py DIR INPUTS.npz STEPS OUTPUTS.npz

Inputs are arrays (STEPS, *shape) by name, of values as the network takes them; so are outputs and probes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from cuda.bindings import driver
from safetensors.numpy import load_file

ROWS = ("input", "output", "probe")  # what has a row for each step
FIRST_KEY = 4  # of the words of the head


def call(name, *arguments):
    """What a function of the driver gives beside its status."""
    status, *results = getattr(driver, name)(*arguments)
    if int(status) != 0:
        raise RuntimeError(f"{name}: {status}")
    return results[0] if results else None


class Network:
    """The network of an artifact on the first GPU."""

    def __init__(self, folder):
        folder = Path(folder)
        self.plan = json.loads((folder / "launches.json").read_text())
        (text,), (arrays,) = folder.glob("*.ptx"), folder.glob("*.safetensors")
        self.constants = load_file(arrays)
        call("cuInit", 0)
        call("cuCtxSetCurrent", call("cuDevicePrimaryCtxRetain", call("cuDeviceGet", 0)))
        module = call("cuModuleLoadData", text.read_bytes() + b"\0")
        names = [kernel["name"] for which in ("init", "step", "finish") for kernel in self.plan[which]]
        self.functions = {name: call("cuModuleGetFunction", module, name.encode()) for name in names}

    def run(self, inputs, steps):
        """Outputs, results and probes by name after `steps` steps; events have a row of values for each step."""
        plan = self.plan
        self.memories = {memory["name"]: memory for memory in plan["memories"]}
        self.addresses = {name: self.allocate(memory, steps) for name, memory in self.memories.items()}
        head = np.zeros(self.memories["spikec.head"]["length"], np.int64)
        head[FIRST_KEY : FIRST_KEY + len(plan["keys"])] = plan["keys"]
        word = FIRST_KEY + len(plan["keys"])
        for host in plan["hosts"]:
            name = host["values"] or host["bits"]
            if name:
                head[word] = self.memories[name]["length"]  # elements from one step to the next
                if host["kind"] == "input":
                    self.write(name, packed(self.memories[name], inputs[host["name"]]))
            word += 2
        self.head(head, 0, 0)
        self.launch(plan["init"], 0)
        self.head(head, 0, steps)
        for number in range(steps + plan["skew"]):
            self.launch(plan["step"], number)
        self.head(head, steps, steps)
        self.launch(plan["finish"], 0)
        found = {host["name"]: self.read(host, steps) for host in plan["hosts"] if host["kind"] != "input"}
        for address in self.addresses.values():
            call("cuMemFree", address)
        return found

    def allocate(self, memory, steps):
        """A buffer with its first values: zero, a constant, or a number or a constant in the last slot of a ring."""
        rows = steps if memory["kind"] in ROWS else 1
        values = np.zeros((rows, memory["length"]), memory["dtype"])
        if memory["kind"] == "constant":
            flat = self.constants[memory["name"]]
            values[0, : flat.size] = flat
        elif memory["init"] is not None:
            slot = values.reshape(memory["slots"], memory["stride"])[-1]
            if isinstance(memory["init"], str):
                flat = self.constants[memory["init"]]
                slot[: flat.size] = flat
            elif memory["bits"]:
                slot[:] = packed({**memory, "length": memory["stride"]}, np.ones((1, memory["size"])))[0]
            else:
                slot[: memory["size"]] = memory["init"]
        address = call("cuMemAlloc", values.nbytes)
        call("cuMemcpyHtoD", address, values.ctypes.data, values.nbytes)
        return address

    def write(self, name, array):
        call("cuMemcpyHtoD", self.addresses[name], array.ctypes.data, array.nbytes)

    def head(self, words, begin, end):
        """What kernels read of a run: its first step, the one after its last step, and the first round."""
        words[:3] = begin, end, 0
        self.write("spikec.head", words)

    def launch(self, kernels, number):
        for kernel in kernels:
            addresses = [self.addresses[name] for name in kernel["arguments"]]
            values = [np.array([number], np.int32), *(np.array([address], np.uint64) for address in addresses)]
            pointers = np.array([value.ctypes.data for value in values], np.uint64)
            grid, block = (kernel["grid"], 1, 1), (kernel["block"], 1, 1)
            function = self.functions[kernel["name"]]
            call("cuLaunchKernel", function, *grid, *block, kernel["shared_bytes"], 0, pointers.ctypes.data, 0)

    def read(self, host, steps):
        name = host["values"] or host["bits"]
        memory = self.memories[name]
        rows = 1 if host["kind"] == "result" else -(-steps // host["every"])
        flat = np.empty((rows, memory["length"]), memory["dtype"])
        call("cuMemcpyDtoH", flat.ctypes.data, self.addresses[name], flat.nbytes)
        if memory["bits"]:
            flat = np.unpackbits(flat.view(np.uint8), axis=1, bitorder="little")
        array = flat[:, : host["size"]].astype(host["dtype"]).reshape(rows, *host["shape"])
        return array[0] if host["kind"] == "result" else array


def packed(memory, array):
    """Rows as the device keeps them: numbers, or bits of 32-bit words."""
    rows = np.reshape(array, (len(array), -1))
    if not memory["bits"]:
        return np.ascontiguousarray(rows, memory["dtype"])
    bits = np.zeros((len(rows), 32 * memory["length"]), bool)
    bits[:, : rows.shape[1]] = rows != 0
    return np.packbits(bits, axis=1, bitorder="little").view(np.uint32)


if __name__ == "__main__":
    folder, inputs, steps, outputs = sys.argv[1:]
    np.savez(outputs, **Network(folder).run(dict(np.load(inputs)), int(steps)))
