"""A trained policy as one folder in Hugging Face layout: adapters merged, every other file as the base has it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from maquette.outputs import written_folder
from maquette.policy.adapters import ADAPTER_CONFIG, adapter_base, merge_adapters
from maquette.policy.folders import find_model
from maquette.policy.model import Policy, load_policy
from maquette.policy.tokenizer import TEMPLATE
from maquette.runs import CHAIN, kept_chain, source_of
from maquette.tensor_files import writing_weights

KEPT = ("*.json", "*.txt", "*.jinja", "*.model")
"""What is taken from the base's folder as it is: config.json and the tokenizer's above all, so that older readers find what they know."""
LEFT = ("model.safetensors.index.json", ADAPTER_CONFIG, "card.json")

CARD = """---
library_name: transformers
pipeline_tag: text-to-3d
base_model: {base}
tags: [text-to-3d, reinforcement-learning, hi-grpo, maquette]
---

# {name}

A text-to-3D policy trained by reinforcement learning with Maquette, from `{base}`{adapted}.
It writes a plan in words, then `<mesh-start>`, the shape's codes `<mesh0>` … and `<mesh-end>`, which the 3D VQVAE decodes.

- Weights: {dtype}, {parameters:,} parameters, {codes} mesh codes.
- Chat template: the base's. The request must carry the prompt sentence that the base was taught; a bare prompt is answered in prose.
- Stop tokens: the tokenizer's end of turn and `<mesh-end>`, in generation_config.json.
- Chain: the stages that it answers in and their instructions are in maquette.yaml, which `maquette generate` reads.

Read it with `maquette generate "a red chair" --model FOLDER`, or with `transformers`:
`AutoModelForImageTextToText.from_pretrained(FOLDER)`.

## Training
{training}
"""


def export_policy(source: str | Path, out: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
    """The policy at `source` (a run, an adapter folder, a model) merged into `out`; the layout is its base's.

    Raises ValueError where there is no such policy, or where `out` holds files already.
    """
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty; choose another folder to export to.")
    folder = find_model(source)
    adapters = folder if (folder / ADAPTER_CONFIG).is_file() else None
    base = adapter_base(folder) if adapters else str(source)
    policy = load_policy(base, dtype=dtype)
    model = merge_adapters(policy.model, adapters) if adapters else policy.model
    with writing_weights(out), written_folder(out) as beside:
        model.save_pretrained(beside)
        _copy_files(find_model(base), beside)  # after it, since transformers writes a config.json of its own
        _write_stops(policy, beside)
        _write_template(policy, beside)
        (beside / CHAIN).write_text(kept_chain(source_of(str(source))))
        (beside / "README.md").write_text(model_card(policy, out.name, base, adapters, dtype))
    return out


def model_card(policy: Policy, name: str, base: str, adapters: Path | None, dtype: torch.dtype) -> str:
    """README.md of the exported folder, with the run's provenance where the run's folder has one."""
    run = adapters.parent if adapters is not None else Path(policy.source).parent
    record = run / "provenance.yaml"
    training = record.read_text().strip() if record.is_file() else "No run's record lies beside these weights."
    return CARD.format(
        base=base,
        name=name,
        adapted=" with LoRA adapters, merged" if adapters is not None else "",
        dtype=str(dtype).removeprefix("torch."),
        parameters=policy.model.num_parameters(),
        codes=policy.codebook_size,
        training="\n".join(f"    {line}" for line in training.splitlines()),
    )


def _copy_files(source: Path, target: Path) -> None:
    for pattern in KEPT:
        for path in source.glob(pattern):
            if path.name not in LEFT:
                shutil.copyfile(path, target / path.name)


def _write_stops(policy: Policy, folder: Path) -> None:
    """The stop ids by the tokenizer's own names, whatever the base's generation config says."""
    path = folder / "generation_config.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(known | {"eos_token_id": list(policy.tokenizer.stop_ids)}, indent=2) + "\n")


def _write_template(policy: Policy, folder: Path) -> None:
    """The chat template also where a processor of older versions of transformers looks, unless the base has it there."""
    path, template = folder / TEMPLATE, policy.tokenizer.inner.chat_template
    if template and not path.is_file():
        path.write_text(json.dumps({"chat_template": template}, indent=2) + "\n")
