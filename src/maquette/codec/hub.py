"""Where a codec lies: local names as they are, the published one in the hub's cache."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

REPOSITORY, FILE = "yejunliang23/3DVQVAE", "3DVQVAE.bin"


def find_codec(source: str | Path) -> str | Path:
    """What `VoxelCodec.load` reads: local names as they are, a hub repository as its .bin in the hub's cache.

    Nothing is downloaded: ValueError gives the command that fetches a repository which is not there.
    """
    if Path(source).exists() or not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        return source
    try:
        return Path(hf_hub_download(str(source), FILE, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError) as error:
        raise ValueError(
            f"There is no codec at {source}: no such folder, and no {FILE} of that repository in the hub's cache. "
            f"Fetch it with: hf download {source} {FILE}"
        ) from error
