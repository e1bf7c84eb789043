"""What a user's options say of a QPU, put together."""

from hpcqrl.brought import brought_device
from hpcqrl.configuration import keywords
from hpcqrl.models.qpu_options import NATIVE_QPUS, QpuOptions, noise_rates
from hpcqrl.quantum.backend import Backend
from hpcqrl.quantum.noise import Noise


def backend_of(options: QpuOptions, shots: int | None) -> Backend:
    """Where circuits run; shots: measurements of each. Imports a device of the user's own."""
    own = brought_device(options.qpu) if ":" in options.qpu else None
    gradient = options.gradient
    if gradient is None and shots is not None and options.qpu not in NATIVE_QPUS:
        gradient = "shift"
    return Backend(
        options.qpu,
        own,
        keywords("qpu_option", options.qpu_option),
        gradient,
        1e-3 * options.qpu_latency,
        options.qpu_jitter,
        1e-3 * options.qpu_overhead,
        1e-6 * options.qpu_shot_time,
        options.qpu_timeout,
        options.qpu_retries,
        Noise(**rates) if (rates := noise_rates(options.noise)) else None,
    )
