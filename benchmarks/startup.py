"""Wall time of `sparring --help` and of `import sparring`.

python benchmarks/startup.py            # some seconds, idle machine
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from functools import partial
from pathlib import Path

from record import alternate, save, spread, to_text

TARGET = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--times", type=int, default=15)
    options = parser.parse_args()
    script = Path(sys.executable).with_name("sparring.exe" if sys.platform == "win32" else "sparring")
    commands = {
        "sparring --help": [str(script), "--help"],
        "import sparring": [sys.executable, "-c", "import sparring"],
        "python alone": [sys.executable, "-c", ""],
    }
    run = partial(subprocess.run, stdout=subprocess.DEVNULL, check=True)
    seconds = alternate({name: partial(run, words) for name, words in commands.items()}, options.times, warm_up=2)
    save(
        "startup",
        result="; ".join(f"{name} {to_text(took, '.3f')} s" for name, took in seconds.items()),
        target=f"sparring --help under {TARGET} s",
        met=spread(seconds["sparring --help"])["median"] < TARGET,
        details={"times": options.times, "seconds": {name: spread(took) for name, took in seconds.items()}},
    )


if __name__ == "__main__":
    main()
