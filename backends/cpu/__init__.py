"""The CPU backend: LLVM IR to objects, libraries, executables, headers and code in this process."""
