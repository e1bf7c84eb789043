"""The native kernels, compiled once for a machine: before any agent waits for another."""

from hpcqrl.parallel.agents import Agents


def compile_kernels(agents: Agents, noise: bool = False) -> None:
    """Have the native kernels compiled by one rank of each node, if they have not been before. All must call."""
    with agents.first_on_each_node():
        from hpcqrl.models import dressed_circuit
        from hpcqrl.quantum import simulator

        simulator.compile_kernels()
        dressed_circuit.compile_kernels()
        if noise:
            from hpcqrl.quantum import noisy_device

            noisy_device.compile_kernels()
