"""The part of OpenAI's API that a tuned model is asked through, as awkward as the real one."""
