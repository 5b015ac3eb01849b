"""Tests of the reference interpreters."""
