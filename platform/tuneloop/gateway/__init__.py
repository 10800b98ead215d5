"""The OpenAI-compatible endpoint: picks a version by name, asks the engine that serves it, logs the answer."""
