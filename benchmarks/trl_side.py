"""TRL's half of `trl_step.py`: GRPO updates of a given model with a free reward; run by an interpreter that has TRL.

python benchmarks/trl_side.py SETTINGS_AS_JSON      # prints one JSON line: seconds of each update, peak memory
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time

import torch
import trl
from datasets import Dataset
from transformers import PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


class Clock(TrainerCallback):
    """When each update ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: object, **__: object) -> None:
        self.ends.append(time.perf_counter())


def free_reward(completions: list[str], **_: object) -> list[float]:
    """Random numbers, so that advantages are not zero."""
    return [random.random() for _ in completions]


def main(settings: dict) -> None:
    torch.set_num_threads(settings["threads"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{settings['model']}/tokenizer.json")
    tokenizer.pad_token = tokenizer.eos_token = settings["pad"]
    answers = settings["answers"] * len(settings["prompts"])
    arguments = GRPOConfig(
        output_dir=settings["folder"],
        max_steps=settings["updates"] + 1,
        per_device_train_batch_size=answers // settings.get("micro_batches", 1),
        gradient_accumulation_steps=settings.get("micro_batches", 1),
        num_generations=settings["answers"],
        max_completion_length=settings["new_tokens"],
        generation_kwargs={"min_new_tokens": settings["new_tokens"], **settings["generation"]},
        loss_type="dapo",
        beta=settings["beta"],
        epsilon_high=0.28,
        use_bias_correction_kl=False,
        learning_rate=3e-5,
        temperature=1.0,
        gradient_checkpointing=False,
        bf16=settings["bf16"],
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        model_init_kwargs={"dtype": settings.get("weights", "float32")},
    )
    clock = Clock()
    rows = Dataset.from_list([{"prompt": text} for text in settings["prompts"] * (settings["updates"] + 1)])
    trainer = GRPOTrainer(
        model=settings["model"],
        reward_funcs=free_reward,
        args=arguments,
        train_dataset=rows,
        processing_class=tokenizer,
        callbacks=[clock],
    )
    trainer.train()
    taken = [b - a for a, b in zip(clock.ends, clock.ends[1:], strict=False)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": taken, "peak_gib": round(peak, 2), "trl": trl.__version__}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
