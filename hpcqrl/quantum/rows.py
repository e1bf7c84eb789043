"""The columns of a program's rows, and their kinds."""

# A row is a qubit's first chain, a gate, a qubit's last chain, a permutation, or a Pauli word.
KIND, TARGET, CONTROL, START_0, STOP_0, START_1, STOP_1, VARIES, RESULT = range(9)
FIRST, GATE, LAST, PERMUTE, WORD = range(5)  # those from PERMUTE on have no chains
FLIPPED, SIGNED, N_Y = TARGET, CONTROL, START_0  # of a word: masks of its letters X and Y, of Z and Y; how many are Y
