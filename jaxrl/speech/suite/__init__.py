"""The evaluation of a policy: axes after StepEval-Audio-360, judged by programs that are in no reward."""
