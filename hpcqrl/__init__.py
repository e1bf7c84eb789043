"""Distributed quantum reinforcement learning on HPC machines: one MPI rank is one agent with its own QPU."""

__version__ = "0.1.0"
