"""The registry of tasks: name -> function that loads it."""

from tasks import digits, mnist

TASKS = {"digits": digits.load, "mnist": mnist.load}

# Data that lie outside the package: modules with get() and status().
DATA = {"mnist": mnist}
