"""What a device is called, and what it is quick at."""

from __future__ import annotations

import torch

from ..errors import InputError

__all__ = ["device_of", "multiplies_bfloat16"]


def device_of(name: str) -> torch.device:
    """The device, with its number: "cuda" is the one that is current here, and another in a thread that never chose.

    :class:`InputError` where there is none of this name.
    """
    try:
        on = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"device={name!r} is not a torch device, such as 'cpu' or 'cuda'") from error
    if on.type != "cuda":
        try:
            torch.zeros(1, device=on).cpu()
        except Exception as error:  # each kind of device has its own for where it is absent
            told = f"device={name!r}, but torch {torch.__version__} can't compute there"
            raise InputError(f"{told}; type device='cpu'") from error
        return on
    if not torch.cuda.is_available():
        raise InputError(f"device={name!r}, but torch {torch.__version__} sees no CUDA device; type device='cpu'")
    number, count = torch.cuda.current_device() if on.index is None else on.index, torch.cuda.device_count()
    if number >= count:
        raise InputError(f"device={name!r}, but torch sees {count} CUDA device{'s'[: count > 1]}; type device='cuda'")
    return torch.device("cuda", number)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether it has instructions for it: AVX512-BF16 or AMX, a GPU's since Ampere. Without, float32 is the quicker:
    twice as quick on a GTX 1080, although torch says that bfloat16 is supported there.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch does not say
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16"))
