"""A bot in plain Python, in a process of its own: `python tiny_bot.py MODE`. Imports nothing of jaxrl.

It takes the first cards, summons what it can and attacks the face. MODE says how it misbehaves:
`well` not at all, `illegal` names cards that are not there, `garbage` prints nonsense from its second
turn on, `late` thinks for a while in its third message, `hang` stops answering there, `crash` ends
there with status 3, `deaf` never reads, `chatty` prints a second line with each answer, `child` leaves a
process behind whose number it writes to the file named next, `lapse` is deaf in its second game, which it
knows by that file.
"""

import subprocess
import sys
import time

mode = sys.argv[1]
messages = 0


def answer() -> str:
    """Read one message, answer it."""
    own, _ = input().split(), input()
    _, actions = input().split()
    for _ in range(int(actions)):
        input()
    cards = [input().split() for _ in range(int(input()))]
    if own[1] == "0":
        return "PASS"
    if mode == "illegal":
        return "SUMMON 999 0;ATTACK 999 -1"
    if mode == "garbage" and messages > 2:
        return "summon the demon"
    summons = [f"SUMMON {card[1]} {i % 2}" for i, card in enumerate(cards) if card[2] == "0" and card[3] == "0"]
    return ";".join(summons + [f"ATTACK {card[1]} -1 forward" for card in cards if card[2] == "1"]) or "PASS"


if mode == "lapse":
    with open(sys.argv[2], "a+") as file:
        file.write(".")
        file.seek(0)
        mode = "deaf" if file.read() == ".." else "well"
if mode == "deaf":
    time.sleep(600)
if mode == "child":
    child = subprocess.Popen(["sleep", "600"])
    with open(sys.argv[2], "a") as file:
        file.write(f"{child.pid}\n")
while True:
    try:
        line = answer()
    except EOFError:
        break
    messages += 1
    if messages == 3 and mode == "crash":
        print("out of mana", file=sys.stderr)
        sys.exit(3)
    if messages == 3 and mode in ("late", "hang"):
        time.sleep(3 if mode == "late" else 600)
    print(line + "\nSUMMON a second line" * (mode == "chatty"), flush=True)
