"""A referee of asynchronous updating: leaky integrate-and-fire neurons in 40 digits."""

import copy
import heapq

import mpmath as mp

mp.mp.dps = 40


class Reference:
    """One neuron in 40 digits: what it is at `time`, and when it fires, found by stepping finely through the flow."""

    def __init__(self, model, v=None):
        self.m = {name: mp.mpf(float(value)) for name, value in vars(model).items() if not isinstance(value, str)}
        self.taus = [self.m[tau] for tau in model.FLOW.values()]
        self.v_inf = self.m["v_rest"] + self.m["r_m"] * self.m["i_ext"]
        self.time = self.held_until = mp.mpf(0)
        self.v = self.m["v_rest"] if v is None else mp.mpf(v)
        self.currents = [mp.mpf(0)] * len(self.taus)

    def flow(self, t):
        """v at t ms after `time`, if it is not held."""
        tau_m = self.m["tau_m"]
        v = self.v_inf + (self.v - self.v_inf) * mp.exp(-t / tau_m)
        for tau, current in zip(self.taus, self.currents, strict=True):
            if tau == tau_m:
                v += self.m["r_m"] * current * t / tau_m * mp.exp(-t / tau_m)
            else:
                v += self.m["r_m"] * current * tau / (tau - tau_m) * (mp.exp(-t / tau) - mp.exp(-t / tau_m))
        return v

    def slope(self, t):
        """tau_m dv/dt."""
        drive = sum(i * mp.exp(-t / tau) for i, tau in zip(self.currents, self.taus, strict=True))
        return self.v_inf - self.flow(t) + self.m["r_m"] * drive

    def advance(self, time):
        """Go on to a time before the next spike."""
        if self.time < self.held_until:
            wake = min(time, self.held_until)
            self._pass(wake, self.v)
        if time > self.time:
            self._pass(time, self.flow(time - self.time))

    def _pass(self, time, v):
        elapsed = time - self.time
        decayed = [i * mp.exp(-elapsed / tau) for i, tau in zip(self.currents, self.taus, strict=True)]
        self.time, self.v, self.currents = time, v, decayed

    def arrive(self, time, weight, receptor):
        self.advance(time)
        if self.taus:
            self.currents[receptor] += weight
        elif time > self.held_until or time == 0:
            self.v += weight

    def fire(self, time):
        self.advance(time)
        self.v, self.held_until = self.m["v_reset"], time + self.m["t_ref"]

    def next_spike(self, until, step=0.25):
        """The first time before `until` at which v >= v_th, or None; goes on to `until`, or to the spike."""
        if self.time < self.held_until:
            self.advance(min(self.held_until, until))
        a, slope_a = mp.mpf(0), self.slope(0)
        if self.time < until and self.above(0) >= 0:
            return self.time
        while self.time + a < until:
            b = min(a + step, until - self.time)
            top, slope_b = b, self.slope(b)
            if slope_a > 0 > slope_b:
                top = mp.findroot(self.slope, (a, b), solver="anderson", tol=1e-70)
            if self.above(top) >= 0:
                found = self.time + mp.findroot(self.above, (a, top), solver="anderson", tol=1e-70)
                self.advance(found)
                return found
            a, slope_a = b, slope_b
        self.advance(until)
        return None

    def above(self, t):
        return self.flow(t) - self.m["v_th"]


def solve(neurons, arrivals, synapses, duration):
    """Spikes (time, neuron) of Reference neurons.

    arrivals: (time, neuron, weight, receptor) from outside. synapses: neuron -> [(neuron, weight, receptor, delay)].
    """
    queue = [(mp.mpf(time), *rest) for time, *rest in arrivals]
    heapq.heapify(queue)
    spikes, now = [], mp.mpf(0)
    while now < duration:
        horizon = min(queue[0][0], mp.mpf(duration)) if queue else mp.mpf(duration)
        trials = [copy.deepcopy(neuron) for neuron in neurons]
        found = [(time, n) for n, trial in enumerate(trials) if (time := trial.next_spike(horizon)) is not None]
        if not found:
            neurons, now = trials, horizon
            if now < duration:
                _, n, weight, receptor = heapq.heappop(queue)
                neurons[n].arrive(now, weight, receptor)
            continue
        now, n = min(found)
        spikes.append((now, n))
        neurons[n].fire(now)
        for target, weight, receptor, delay in synapses.get(n, []):
            heapq.heappush(queue, (now + mp.mpf(delay), target, weight, receptor))
    return spikes
