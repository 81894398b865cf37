"""A stand-in for a training, which reports: `python3 train.py URL TOKEN [steps] [seconds a step]`. Exits with 3 where it was told to stop."""

import math
import sys
import time

from jobstream_report import Reporter


def main(url, token, steps="60", seconds="0.1", resume="0"):
    total, pause = int(steps), float(seconds)
    with Reporter(url, token or None, every=min(0.5, pause)) as report:
        report.stage("caching latents")
        time.sleep(pause)
        for step in range(int(resume) + 1, total + 1):
            time.sleep(pause)
            loss = 0.4 * math.exp(-3 * step / total) + 0.05
            report.step(step, total, stage="training", metrics={"loss": loss, "lr": 1e-4 * (1 - step / (total + 1))})
            if report.stopped:
                return 3
        job = report.completed(["ada.safetensors"])
    return 0 if job["status"] == "completed" else 3


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
