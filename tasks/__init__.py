"""The registry of tasks: name -> function that loads it."""

from tasks import cifar10, digits, mnist, nmnist, saccades

TASKS = {
    "digits": digits.load,
    "mnist": mnist.load,
    "cifar10": cifar10.load,
    "nmnist": nmnist.load,
    "nmnist-saccades": saccades.load,
}

# Data that lie outside the package: modules with get() and status().
DATA = {"mnist": mnist, "cifar10": cifar10, "nmnist": nmnist, "nmnist-saccades": saccades}
