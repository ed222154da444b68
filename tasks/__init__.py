"""The registry of tasks: name -> function that loads it."""

from tasks import (
    cifar10,
    digits,
    event_images,
    five_datasets,
    mnist,
    nmnist,
    permuted,
    rotated,
    saccades,
    shd,
    split_classes,
)

TASKS = {
    "digits": digits.load,
    "mnist": mnist.load,
    "cifar10": cifar10.load,
    "nmnist": nmnist.load,
    "nmnist-saccades": saccades.load,
    "nmnist-frames": event_images.load_nmnist,
    "nmnist-saccades-frames": event_images.load_saccades,
    "shd": shd.SHD.load,
    "ssc": shd.SSC.load,
    "fsdd": shd.FSDD.load,
}

# Sequences of tasks; they stand wherever a task does.
SEQUENCES = {
    "permuted-digits": permuted.load_digits,
    "split-digits": split_classes.load_digits,
    "permuted-mnist": permuted.load_mnist,
    "rotated-mnist": rotated.load,
    "split-mnist": split_classes.load_mnist,
    "split-mnist-task": split_classes.load_mnist_task,
    "split-cifar10": split_classes.load_cifar10,
    "five-datasets": five_datasets.load,
}
TASKS |= SEQUENCES

# Data that lie outside the package: modules with get() and status().
DATA = {"mnist": mnist, "cifar10": cifar10, "nmnist": nmnist, "nmnist-saccades": saccades}
DATA |= {corpus.name: corpus for corpus in (shd.SHD, shd.SSC, shd.FSDD)}
