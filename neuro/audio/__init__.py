"""The cochlea: sound into spikes. One file for each stage; cochlea.py joins them."""
