"""Runs circuits of level `rtl`, cycle by cycle, as machine code."""
