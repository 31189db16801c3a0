"""Placeholder until the first version is in (minutes)."""
from __future__ import annotations
def draw_head(rng): raise NotImplementedError
