"""Time of one frame of a latent walk in the studio: request, generator, answer, over HTTP.

    python benchmarks/studio_walk.py            # half a minute, idle machine

The generator is r3 for MNIST with its default settings, untrained: time does not depend on the weights. The server is a
process of its own; requests follow one another over one connection, as the page sends them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from record import save
from studio import Server, serving

TARGET_MS = 50.0
WARM_UP = 20


def write_run(folder: Path) -> None:
    """Write a run with an untrained r3 of MNIST's size."""
    from sparring import ImageSpec
    from sparring.engine.device import Hardware
    from sparring.models.load_generator import generator_model
    from sparring.recipes.generators.r3 import R3

    spec = ImageSpec(28, 28, 1, tuple("0123456789"), 60_000)
    recipe = R3().resolve(spec, Hardware.find("cpu"))
    model = generator_model(recipe.nets(spec)["generator"], spec, recipe, (6000,) * 10, metadata={"custom_nets": False})
    model.save(folder)
    (folder / "run.json").write_text(json.dumps({"format": 2, "data": {"source": "mnist"}}))


def frames(server: Server, run: str, count: int) -> list[float]:
    """Milliseconds of each of `count` frames of a walk from seed 0 to seed 1."""
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc)
    headers = {"x-sparring-token": server.token, "content-type": "application/json"}
    took = []
    for k in range(-WARM_UP, count):
        body = json.dumps({"run": run, "points": [{"seed": 0, "to": 1, "at": max(k, 0) / count, "way": "slerp"}]})
        begin = time.perf_counter()
        connection.request("POST", "/api/walk", body, headers)
        answer = connection.getresponse()
        pixels = answer.read()
        if answer.status != 200 or len(pixels) != 28 * 28 * 3:
            sys.exit(f"{answer.status}: {pixels[:200]!r}")
        if k >= 0:
            took.append((time.perf_counter() - begin) * 1000)
    return took


def cpu_seconds(pid: int) -> float:
    """Seconds that a process has computed, in all its threads."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--frames", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder) / "r3")
        with serving(Path(folder)) as server:
            frames(server, "r3", 1)
            before = cpu_seconds(server.pid)
            took = sorted(frames(server, "r3", options.frames))
            cpu_ms = round((cpu_seconds(server.pid) - before) * 1000 / (options.frames + WARM_UP), 2)
    ends = {f"p{q}": round(took[min(len(took) - 1, len(took) * q // 100)], 2) for q in (50, 95, 99)}
    save(
        "studio_walk",
        result=f"a frame of 28x28 by r3: median {ends['p50']} ms, 95 % within {ends['p95']} ms, 99 % {ends['p99']} ms; "
        f"{cpu_ms} ms of one core",
        target=f"within {TARGET_MS:.0f} ms on 2 cores",
        met=ends["p95"] < TARGET_MS,
        details={
            "frames": options.frames, "milliseconds": ends, "cpu_ms": cpu_ms, "cores": os.cpu_count(),
            "load": [round(load, 1) for load in os.getloadavg()],
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
