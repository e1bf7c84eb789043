class Same:
    def run(self, circuit):
        return circuit


def generate_preset_pass_manager(**options):
    return Same()
