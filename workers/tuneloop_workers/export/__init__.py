"""From a PEFT adapter to the files that ship: GGUF LoRA, merged and quantised GGUF, release folder, parity check."""
