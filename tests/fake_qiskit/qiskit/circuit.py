class Parameter:
    def __init__(self, index):
        self.index = index


def ParameterVector(name, length):  # noqa: N802
    return [Parameter(index) for index in range(length)]
