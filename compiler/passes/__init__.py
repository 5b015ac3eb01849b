"""Passes: each is a frozen dataclass with `run(program) -> program`, and keeps the level of the program."""
