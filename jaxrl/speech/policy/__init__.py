"""The policy: one transformer over text and speech, its supervised training, its tasks, its use, its student."""
