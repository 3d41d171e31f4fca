#!/usr/bin/env bash
# One command from a fresh clone to a policy that speaks: installs what is missing, makes the data, trains tokenizer,
# decoder and policy, post-trains it by reinforcement learning, examines it, and writes pages to look at and listen to.
#
#     launch/speech.sh --scale tiny       # about an hour on two cores: shows that everything works
#     launch/speech.sh --scale small      # about three hours until the policy, and more after it
#     launch/speech.sh --scale tiny --until tokenizer
#
# Interrupt it and run it again: every stage goes on where it stopped. See docs/speech.md, and --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
make --no-print-directory install-speech
exec .venv-speech/bin/jaxrl speech "$@"
