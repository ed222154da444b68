"""The audit: what a learner needs of its network, measured on its updates and held against what it declares.

A learner is a black box here: `init`, `update`, the state's weights and their order in `state.layers`. One state is
copied, something in the copy is changed, both learn from the same batch with the same random numbers, and the two
updates (changes of each weight) are compared bit for bit. A layer is below another if it stands before it.

- crossing: an error crosses a layer boundary. Noise of 1e-4 to 1e-1 of a layer's weights changes the update of
  a layer below, each time; so draws that flip now and then (false labels, say) do not count. "only a common scale":
  the updates of all layers below move along one line, by one number (gradients clipped by their common norm).
- transport: weights carry errors down. A weight matrix gets noise as large as itself, in the null space of all that
  it multiplies in this update: the forward pass stays the same up to rounding, the product with the transposed matrix
  does not. Yes, if the updates of weights in layers below typically change by more than 0.1 %. Asked where an error
  crosses. "within layers": the same for other weights of the same layer (a layer with a readout of its own).
- forward locking: other weights in a layer change the update of a layer above, which must wait until the one below
  has run.
- update locking: other weights in a layer change the update of a layer below. Draws count here, and so does a common
  scale, which is named. The other weights are noise as large as the old ones, 100 times larger and 100 times smaller.
- backward locking: a layer waits for what comes down through layers between. Yes, where weights are transported, or
  where an error crosses and two matrices beside the layers (feedback weights) act on a layer in series, downwards: set
  to zero, the lower one cuts the other off. "feedback network only": in series, but no error crosses, so that the
  feedback can run beside the forward pass.
- kept over time: the peak of bytes alive in one update grows, from n_steps to twice as many (of half the length, where
  more of the same change nothing), by at least half a float32 for each added step, sample and unit below the top. "no
  time": neither changes anything. A learner with a fixed number of steps keeps their length instead.
- labels: other labels change the update of a layer ("at the layer"; "through the layers above", if an error crosses
  into every layer below the top for which this is so), of the top layer alone, or of weights that stand in no layer.

Where weights are named BLOCK.NAME, the blocks are the layers. What is not found between blocks is then looked for
between the layers of the largest block, of which the first and the last are changed: "within blocks".

Limits: what is found holds for one state (after five updates), one batch and one set of hyper-parameters; a clip or a
filter that comes into play later is missed. What compiled learners multiply and keep, outside torch, and transport
through grouped convolutions are "not measured". A learner that multiplies bfloat16 factors is audited with those of
float32: it needs the same, and transport through rounded copies of weights would not be seen. Feedback networks and
negative samples leave no trace that could be told apart; they are shown as declared. A contradiction is what is
declared and was not found at all, or found between layers and is not declared; what is found within layers or blocks
alone may be declared or not.

References: jaderberg2017 (locking).
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from neuro.audit_measures import (
    SCALE,
    Baseline,
    backward_locking_of,
    crossings_of,
    grouped,
    is_transported_within,
    kept_over_time_of,
    labels_of,
    locking_of,
    transport_of,
    warmed_up,
)
from neuro.learners import LEARNERS
from neuro.learners.base import Batch, Learner, Problem


@dataclass(frozen=True)
class Audit:
    """What was found of a learner, in words, and the numbers behind it."""

    name: str
    uses: frozenset[str]
    crossing: str
    transport: str
    forward_locking: str
    update_locking: str
    backward_locking: str
    kept_over_time: str
    labels: str
    evidence: dict[str, float]

    @property
    def contradictions(self) -> list[str]:
        """What is declared and was not found, or found and is not declared."""
        found = {
            "global_error": self.crossing.replace(SCALE, "no"),
            "weight_transport": self.transport,
            "whole_pass": self.update_locking.replace(SCALE, "yes"),
            "unrolled_time": self.kept_over_time.replace("no time", "no"),
            "labels": "no" if self.labels == "no" else "yes",
        }
        wrong = []
        for use, words in found.items():
            if words == "yes" and use not in self.uses:
                wrong.append(f"{use} is found, not declared")
            if words == "no" and use in self.uses:
                wrong.append(f"{use} is declared, not found")
        return wrong


def audit(learner: Learner, problem: Problem, batch: Batch, seed: int = 0) -> Audit:
    """Measure a learner on one batch (64 samples are enough). ValueError if its updates do not repeat."""
    base = warmed_up(_plain(learner, problem), problem, batch, seed)
    evidence: dict[str, float] = {}
    blocks = list(grouped(base.layers).values())
    is_in_blocks = len(blocks) < len(base.layers)
    outer = base.regrouped([sum(block, []) for block in blocks]) if is_in_blocks else base
    found, crossed = _between(outer, evidence, range(len(blocks)))
    labels, kept_over_time = labels_of(outer, crossed), kept_over_time_of(base, evidence, seed)
    if is_in_blocks:
        block = max(blocks, key=len)
        inside, _ = _between(base.regrouped(block), evidence, (0, len(block) - 1))
        for what, words in inside.items():
            if found[what] == "no" != words:
                found[what] = words if words.startswith("not measured") else "within blocks"
    elif found["transport"] == "no" and is_transported_within(base, evidence):
        found["transport"] = "within layers"
    if found["transport"].startswith("not measured") and kept_over_time == "no":
        kept_over_time = "not measured"  # a learner whose products are not seen may keep what is not seen either
    name = next((name for name, cls in LEARNERS.items() if cls is type(learner)), type(learner).__name__)
    return Audit(name, learner.uses, labels=labels, kept_over_time=kept_over_time, evidence=evidence, **found)


def _plain(learner: Any, problem: Problem) -> Learner:
    """The learner with float32 factors, and with steps as long as this problem's if it has as many of any problem."""
    if getattr(learner, "precision", "float32") != "float32":
        learner = dataclasses.replace(learner, precision="float32")
    if getattr(learner, "step", None) == 0.0:
        learner = dataclasses.replace(learner, step=learner.steps(problem)[1])
    return learner


def _between(base: Baseline, evidence: dict[str, float], changed: Sequence[int]) -> tuple[dict[str, str], set[int]]:
    """What is found between layers when some of them are changed, and the layers that an error from above reaches."""
    crossings = crossings_of(base, changed, evidence)
    is_crossing = any(crossings.values())
    transport = transport_of(base, crossings, evidence)
    update_locking, forward_locking = locking_of(base, changed)
    found = {
        "crossing": "yes" if is_crossing else SCALE if crossings else "no",
        "transport": transport,
        "forward_locking": forward_locking,
        "update_locking": update_locking,
        "backward_locking": backward_locking_of(base, is_crossing, transport),
    }
    return found, set().union(*crossings.values())


COLUMNS = {
    "learner": lambda found: found.name,
    "error crosses layers": lambda found: found.crossing,
    "weight transport": lambda found: found.transport,
    "forward locking": lambda found: found.forward_locking,
    "update locking": lambda found: found.update_locking,
    "backward locking": lambda found: found.backward_locking,
    "kept over time": lambda found: found.kept_over_time,
    "labels": lambda found: found.labels,
    "declared, not measured": lambda found: _declared(found, ("feedback_network", "negative_samples")),
    "contradictions": lambda found: "; ".join(found.contradictions) or "none",
}


def _declared(found: Audit, uses: Iterable[str]) -> str:
    return ", ".join(use.replace("_", " ") for use in uses if use in found.uses) or "none"


def audit_table(audits: Iterable[Audit]) -> list[list[str]]:
    """Titles, then one row a learner."""
    return [list(COLUMNS), *([text(found) for text in COLUMNS.values()] for found in audits)]


def print_audits(audits: Sequence[Audit]) -> None:
    """The table on the terminal, never cut off."""
    from rich.console import Console
    from rich.table import Table

    titles, *rows = audit_table(audits)
    drawn = Table(title="what learners use, measured on one batch; meanings and limits: neuro/audit.py")
    for title in titles:
        drawn.add_column(title, no_wrap=title == titles[0], min_width=max(map(len, title.split())))
    for row in rows:
        drawn.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = 180
    console.print(drawn)
