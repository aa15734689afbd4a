"""Runs Leadqual on one machine: installs it, starts its servers and processes, tests it.

Only the standard library is used, since this package runs before anything is installed.
Start it with ``python3 -m ops COMMAND``, or through the Makefile.
"""
