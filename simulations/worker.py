"""One training in a process of its own: `python -m simulations.worker RUN`, started by simulations/trainings.py.

Status 0, or 2 with the reason in the run's log, or 130 after an interrupt. It ends with the process that
started it: that one holds the other end of standard input.
"""

import os
import sys
import threading


def main(path: str) -> int:
    """Train a run folder; returns the status."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        from neuro.runs import load_run
        from tasks.harness import train

        run = load_run(path)
        try:
            train(run)
        except (ValueError, FloatingPointError) as error:
            run.log(f"error: {error}")
            return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _end_with_parent() -> None:
    """Files are replaced whole, so that ending at any moment leaves a run that can be resumed."""
    os.read(0, 1)  # returns when nobody holds the other end
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
