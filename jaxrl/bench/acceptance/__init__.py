"""What an accelerator must show before its numbers are believed: `launch/accelerator_check.sh`.

`checklist` says what is checked and for how long, `supervise` runs each check in a process of its own and keeps the
report, `one_check` is that process, and the other files are the checks: generators of findings.
"""
