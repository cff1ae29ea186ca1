"""An export in the hands of the version of transformers that the published scripts pin; skipped where no such interpreter is named."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch

from maquette.policy.export import export_policy
from maquette.policy.model import open_policy
from maquette.prompts.instructions import SYSTEM, user_turn
from tests.full.layouts import shapellm_folder
from tests.full.test_policy import shaken

READER = "MAQUETTE_OLD_PYTHON"
"""Names the interpreter: of an environment with torch and transformers==4.49.0."""


@pytest.mark.slow
@pytest.mark.skipif(READER not in os.environ, reason=f"{READER} names no interpreter with transformers 4.49")
@pytest.mark.parametrize("real", [False, True])
def test_an_export_reads_the_same_with_the_version_that_the_published_scripts_pin(tmp_path: Path, real: bool):
    policy = shaken(open_policy(shapellm_folder(tmp_path / "base", real=real), lora_rank=4))
    policy.save(tmp_path / "policy")
    out = export_policy(tmp_path / "policy", tmp_path / "out", torch.float32)
    text = user_turn("a red chair", "direct", wording="full")[0]
    tokens = [*policy.tokenizer.chat((text,), SYSTEM["full"]), *policy.tokenizer.vocabulary.code_ids[:5].tolist()]
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"text": text, "tokens": tokens}))
    command = [os.environ[READER], str(Path(__file__).with_name("old_reader.py")), str(out), str(request)]
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    ran = subprocess.run(command, capture_output=True, text=True, env=clean, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    seen = json.loads(ran.stdout)
    assert seen["transformers"].startswith("4.49")
    assert seen["missing_keys"] == seen["unexpected_keys"] == seen["mismatched_keys"] == []
    assert seen["ids"] == policy.tokenizer.chat((text,), SYSTEM["full"])
    with torch.no_grad():
        own = policy.model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]
    seen_logits = torch.tensor(
        seen["logits"]
    )  # merged into the weights there, beside them here: three digits of float32 differ
    torch.testing.assert_close(seen_logits, own, atol=1e-3, rtol=1e-4)
