"""Stands in for Qiskit where it is not installed: a circuit that notes what is called on it."""


class QuantumCircuit:
    def __init__(self, qubits):
        self.num_qubits, self.gates = qubits, []

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments: self.gates.append((name, arguments))

    def measure_all(self):
        pass

    @property
    def parameters(self):
        used = {each for _, arguments in self.gates for each in arguments if hasattr(each, "index")}
        return sorted(used, key=lambda parameter: parameter.index)
