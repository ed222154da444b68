"""Networks of other tools, in and out: NIR files, snnTorch, SpikingJelly."""
