"""Write a trained policy for classical inference without this package: `hpcqrl export`, from beside the other tools.

python tools/export.py runs/x.h5 --out policy.pt2
"""

import subprocess
import sys

if __name__ == "__main__":
    sys.exit(subprocess.call([sys.executable, "-m", "hpcqrl", "export", *sys.argv[1:]]))
