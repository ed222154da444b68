"""The registry of tasks: name -> function that loads it."""

from tasks import digits, mnist

TASKS = {"digits": digits.load, "mnist": mnist.load}
