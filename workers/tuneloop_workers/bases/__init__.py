"""Base models: a GGUF that serves and the Hugging Face weights that train, kept as one checked pair."""
