from hpcqrl import one_thread  # noqa: F401, I001  (before NumPy)

import torch

torch.set_num_threads(1)  # as in a rank: sums of another order would have other last bits
