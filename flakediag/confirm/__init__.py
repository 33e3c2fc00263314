"""Experiments with the project's own runner: chosen orders, load and slack, a taken port, clean runs after a fix.

process.py  one command in a process group of its own, ended with everything that it started
runners.py  which runner, and what each can and cannot order
pytest.py   the exact way: collected node ids, in any order
java.py     Surefire and Gradle
scripts.py  Jest, Vitest and RSpec
go.py       Go, through gotestsum
template.py any other command
fingerprint.py  which code an experiment was about
load.py     CPU pressure from child processes of our own, for a bounded time
ports.py    a port held on loopback
carry.py    one experiment from its order to a run that can be stored
"""
