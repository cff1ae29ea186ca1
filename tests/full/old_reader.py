"""Run by another interpreter, whose transformers is what the published scripts pin (4.49): reads an export as they do.

python tests/full/old_reader.py EXPORT REQUEST.json      # {"text": the user's turn, "tokens": ids} in, {"ids", "logits"} out
"""

import json
import sys
from pathlib import Path

import torch
import transformers


def main(export: str, request: str) -> None:
    asked = json.loads(Path(request).read_text())
    model, report = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(
        export, torch_dtype=torch.float32, output_loading_info=True
    )
    processor = transformers.AutoProcessor.from_pretrained(export)
    text = processor.apply_chat_template(
        [{"role": "user", "content": asked["text"]}], tokenize=False, add_generation_prompt=True
    )
    ids = processor(text=[text], return_tensors="pt")["input_ids"][0].tolist()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([asked["tokens"]])).logits[0]
    seen = {"ids": ids, "logits": logits.tolist(), "transformers": transformers.__version__}
    seen |= {key: list(report[key]) for key in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
