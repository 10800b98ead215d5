"""LoRA training in a child process: a JSON spec in, JSON lines and a PEFT adapter folder out."""
