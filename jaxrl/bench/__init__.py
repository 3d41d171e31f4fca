"""`jaxrl bench`: how fast every part of the loop is on this machine, and how much of that training achieves.

`parts` are what is measured, `threads` runs them as training does, `measure` takes them by turns, and `printout` says
what follows. The numbers written are documented in docs/bench.md.
"""

from jaxrl.bench.measure import main

__all__ = ["main"]
