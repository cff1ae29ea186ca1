"""The tiny policy's own byte-level BPE, and the rules by which any policy's tokens are written.

Ids are laid out so that both supports of the head are runs of rows: text tokens 0 … T-1, then `<mesh-start>`, then the K codes,
then `<mesh-end>` and the chat's control tokens. Bigger models keep their own layout; everything here finds tokens by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Int64
from jinja2 import TemplateError
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from maquette.codec.vocabulary import MESH_END, MESH_START, Vocabulary, mesh_token
from maquette.prompts.instructions import Wording
from maquette.protocols import CutText
from maquette.runs import read_json

IM_START, IM_END, END_OF_TEXT = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
VISION_START, IMAGE_PAD, VISION_END = "<|vision_start|>", "<|image_pad|>", "<|vision_end|>"
PROMPT_LIMITS: dict[Wording, int] = {"tiny": 64, "full": 512}
"""Longest request in tokens, by size."""
SETTINGS, TEMPLATE = "tokenizer_config.json", "chat_template.json"
USER_TURN = "(what the user says)"
"""Stands for the user's turn when a chat template is rendered; only what is around it is kept."""
ROLES = ("user\n", "assistant\n", "system\n")


def train_tokenizer(texts: Iterable[str], text_tokens: int, codebook_size: int) -> PreTrainedTokenizerFast:
    """A tokenizer of at most `text_tokens` text tokens (at least the 256 bytes) learnt from `texts`, and all mesh and chat tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=text_tokens, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*texts, *ROLES * 1000], trainer)
    specials = [MESH_START, *map(mesh_token, range(codebook_size)), MESH_END, IM_START, IM_END, END_OF_TEXT]
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in specials])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=IM_END,
        pad_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
        maquette_size="tiny",
    )


class PolicyTokenizer:
    """Text and codes ↔ tokens for one policy and one codebook. User text never becomes a control token."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, codebook_size: int, settings: str = "") -> None:
        self.inner = tokenizer
        self.settings = settings
        """Text of the tokenizer_config.json that it was read by; "" for a new one."""
        self.vocabulary = Vocabulary.from_tokenizer(tokenizer, codebook_size)
        added = tokenizer.added_tokens_decoder  # made anew each time it is asked for: once is enough
        self.control = frozenset(added)
        """Ids of everything that is not plain text, mesh tokens included."""
        names = [token.content for token in added.values()]
        first = "".join(sorted({re.escape(name[0]) for name in names if name}))
        self._pieces = re.compile(f"[{first}]|[^{first}]+")
        vocab = tokenizer.get_vocab()
        for name in (IM_START, IM_END):
            if name not in vocab:
                raise ValueError(
                    f"The tokenizer has no {name}, which frames every turn: take the tokenizer of a Qwen chat model."
                )
        self.im_start, self.im_end = vocab[IM_START], vocab[IM_END]
        self.image_frame = tuple(vocab[name] for name in (VISION_START, IMAGE_PAD, VISION_END) if name in vocab)
        """Ids before, for and after the tokens of a picture; () where the vocabulary has no pictures."""
        end_of_turn = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else self.im_end
        self.stop_ids = tuple(dict.fromkeys((end_of_turn, self.vocabulary.end_id)))
        """Where a free-running generator must stop: end of turn, and `<mesh-end>`."""
        pad: Any = tokenizer.pad_token_id
        self.pad: int = vocab.get(END_OF_TEXT, self.im_end) if pad is None else pad
        # kept in tokenizer_config.json; a model that was not made here has the full wording
        self.size: Wording = "tiny" if tokenizer.init_kwargs.get("maquette_size") == "tiny" else "full"
        self.prompt_limit = PROMPT_LIMITS[self.size]
        self.text_ids = sorted(set(vocab.values()) - self.control)
        self._frames: dict[str, tuple[list[int], list[int]]] = {}

    @classmethod
    def load(cls, folder: Path) -> PolicyTokenizer:
        """From a folder in Hugging Face layout; the codebook's size is read off the mesh tokens' names."""
        if not (folder / "tokenizer.json").is_file():
            raise ValueError(f"There is no tokenizer at {folder}: tokenizer.json is missing.")
        settings = folder / SETTINGS
        for file in (folder / "tokenizer.json", settings):
            if file.is_file():
                read_json(file)  # what transformers says of half a file does not name it
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        beside = folder / TEMPLATE  # a processor's
        if tokenizer.chat_template is None and beside.is_file():
            tokenizer.chat_template = read_json(beside).get("chat_template")
        kept = settings.read_text() if settings.is_file() else ""
        return cls(tokenizer, count_codes(tokenizer.get_vocab()), kept)

    def save(self, folder: Path) -> None:
        """tokenizer.json, and the settings as they were read: transformers would name a class that its older versions do not have."""
        self.inner.save_pretrained(folder)
        if self.settings:
            (folder / SETTINGS).write_text(self.settings)

    def __len__(self) -> int:
        return len(self.inner)

    def encode(self, text: str) -> list[int]:
        """Plain text tokens, whatever the text says: `<mesh7>` becomes the seven characters.

        A control token's name is never handed over in one piece, so that the tokenizer cannot find it.
        """
        pieces = [m[0] for m in self._pieces.finditer(text)]
        runs = self.inner(pieces, add_special_tokens=False)["input_ids"] if pieces else []
        return [i for run in runs for i in run if i not in self.control]

    def encode_cut(self, text: str, limit: int) -> CutText:
        """At most `limit` tokens; what is over is cut off and the warning says so."""
        ids = self.encode(text)
        if len(ids) <= limit:
            return CutText(ids)
        return CutText(ids[:limit], f"The prompt has {len(ids)} tokens; only the first {limit} were read.")

    def decode(self, ids: Sequence[int]) -> str:
        """Text of plain text tokens; control tokens are left out."""
        return str(self.inner.decode([i for i in ids if i not in self.control])).strip()

    def chat(self, pieces: Sequence[str | tuple[int, ...]], system: str = "", image_tokens: int = 0) -> list[int]:
        """The prompt's tokens up to where the answer begins (pieces: see `prompts.instructions.user_turn`).

        A picture's `image_tokens` stand first in the user's turn, framed as Qwen's chat template does it. ValueError where the
        vocabulary has no such tokens.
        """
        turn = [t for piece in pieces for t in (self.encode(piece) if isinstance(piece, str) else self._shape(piece))]
        if image_tokens:
            if len(self.image_frame) != 3:
                raise ValueError(f"This tokenizer has no {IMAGE_PAD}: its policy sees no pictures.")
            before, own, after = self.image_frame
            turn = [before, *[own] * image_tokens, after, *turn]
        before, after = self._frame(system)
        return [*before, *turn, *after]

    def _frame(self, system: str) -> tuple[list[int], list[int]]:
        """Tokens before and after a user's turn: by the checkpoint's own chat template, or Qwen's where it has none."""
        if system not in self._frames:
            template = getattr(self.inner, "chat_template", None)
            self._frames[system] = self._templated(system) if template else self._stock(system)
        return self._frames[system]

    def _templated(self, system: str) -> tuple[list[int], list[int]]:
        """ValueError where the template drops what the user says, says it twice, or opens no answer."""
        said = [{"role": "system", "content": system}] if system else []
        said.append({"role": "user", "content": USER_TURN})
        try:
            opened, closed = (
                str(self.inner.apply_chat_template(said, tokenize=False, add_generation_prompt=answer))
                for answer in (True, False)
            )
        except TemplateError as error:
            raise ValueError(
                f"The checkpoint's chat template cannot be read: {error}; mend its chat_template."
            ) from error
        parts = opened.split(USER_TURN)
        if len(parts) != 2:
            raise ValueError(
                f"The checkpoint's chat template writes the user's turn {len(parts) - 1} times instead of once: mend its chat_template."
            )
        if opened == closed:
            raise ValueError(
                "The checkpoint's chat template opens no answer when asked to (add_generation_prompt): mend its chat_template."
            )
        before, after = (self.inner(part, add_special_tokens=False)["input_ids"] for part in parts)
        return before, after

    def _stock(self, system: str) -> tuple[list[int], list[int]]:
        """Qwen's chat template, by hand."""
        newline = self.encode("\n")
        opening = [self.im_start, *self.encode("system\n" + system), self.im_end, *newline] if system else []
        before = [*opening, self.im_start, *self.encode("user\n")]
        return before, [self.im_end, *newline, self.im_start, *self.encode("assistant\n")]

    def parse_shape(self, ids: Sequence[int], codes_per_shape: int) -> Int64[Tensor, " c"] | None:
        """The codes of exactly `<mesh-start>`, c codes, `<mesh-end>`; None for anything else."""
        return self.vocabulary.parse(ids, codes_per_shape).codes

    def _shape(self, codes: Sequence[int]) -> list[int]:
        names = self.vocabulary.code_ids
        return [self.vocabulary.start_id, *(int(names[c]) for c in codes), self.vocabulary.end_id]


def count_codes(vocab: dict[str, int]) -> int:
    """How many mesh tokens `<mesh0>`, `<mesh1>`, … there are. Raises ValueError where there is none."""
    size = sum(1 for name in vocab if re.fullmatch(r"<mesh\d+>", name))
    if not size:
        raise ValueError("This tokenizer has no mesh tokens; its model cannot write shapes.")
    return size
