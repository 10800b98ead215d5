"""Serving: one resident base GGUF in llama.cpp, LoRA adapters switched per decode group."""
