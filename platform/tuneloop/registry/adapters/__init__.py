"""LoRA folders that somebody trained elsewhere: what may stand in them, found out without loading anything heavy."""
