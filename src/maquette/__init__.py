"""Maquette: text-to-3D generation trained by reinforcement learning."""

__version__ = "0.9.0"
