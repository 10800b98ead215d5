"""What a figure was measured on."""

import torch

_TELLING = ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


def processor() -> str:
    """Name of the processor and those of its instruction sets that decide what is fast."""
    capabilities = torch.cpu.get_capabilities()
    has = [name for name in _TELLING if capabilities.get(name)]
    return f"{capabilities.get('cpu_name', capabilities['architecture'])}: {' '.join(has) or 'no AVX2'}"
