"""Measurements of RxPulse on the machine it runs on: how fast events are applied, how soon people are told, how large it is.

Every measurement starts a stack of its own with its own data and takes it away again; nothing that runs already is
touched. The figures wanted stand beside the figures found. They depend on the machine and on what else runs there, so no
test compares them.
"""
