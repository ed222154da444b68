"""Finds gradients that cross a layer boundary, in the graph that autograd walks.

A product node (matrix product) joins an activity and a weight. Where the activity's side leads back to
another learned weight of the same network, the error of the upper layer reaches the lower one.
"""

import torch

# Each with the place of its first factor: what comes before is added, not multiplied.
PRODUCTS = {"MmBackward0": 0, "BmmBackward0": 0, "AddmmBackward0": 1}


def crossings(learner, state, batch) -> set[tuple[str, str]]:
    """Pairs (upper weight, lower weight) for which one update sends a gradient from upper to lower."""
    roots = []
    backward = torch.Tensor.backward

    def noted(tensor, *arguments, **keywords):
        roots.append(tensor.grad_fn)
        return backward(tensor, *arguments, **keywords)

    torch.Tensor.backward = noted
    try:
        learner.update(state, batch)
    finally:
        torch.Tensor.backward = backward
    names = {id(weight): name for name, weight in state.weights.items()}
    below: dict = {}
    found = set()
    for root in roots:
        _leaves(root, names, below, found)
    assert roots, "the learner never called backward; teach this check how it learns"
    return found


def _network(name: str) -> str:
    return "feedback" if name.startswith("feedback") else "forward"


def _leaves(root, names, below, found) -> set[str]:
    """Names of the weights under a node, by a depth-first walk without recursion."""
    stack = [root]
    while stack:
        node = stack[-1]
        children = [child for child, _ in node.next_functions if child is not None]
        waiting = [child for child in children if child not in below]
        if waiting:
            stack += waiting
            continue
        stack.pop()
        if hasattr(node, "variable"):
            name = names.get(id(node.variable))
            below[node] = {name} if name else set()
            continue
        sides = [below[child] for child in children]
        below[node] = set().union(*sides)
        if node.name() in PRODUCTS:
            factors = sides[PRODUCTS[node.name()] :]
            for upper_side in factors:
                for lower_side in factors:
                    if upper_side is not lower_side:
                        found |= {
                            (upper, lower)
                            for upper in upper_side
                            for lower in lower_side
                            if upper != lower and _network(upper) == _network(lower)
                        }
    return below[root]
