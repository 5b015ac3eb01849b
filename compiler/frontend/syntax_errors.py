"""Stub until filled below."""
