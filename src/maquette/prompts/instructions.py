"""What each stage is told, and the user turn that carries it.

Two wordings of every instruction stand side by side. The *full* ones end with `REQUEST`, the literal that ShapeLLM-Omni was
trained with: a request without it is answered in prose. Before it they say what the paper's figure 6 shows of its own templates:
a plan centred on shape primitives first, then a description that turns the parts into exact detail. The *tiny* ones are a word
or two, since every token of a 6 M-parameter model's prompt costs time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Wording = Literal["tiny", "full"]


@dataclass(frozen=True)
class Instruction:
    """One task: its sentence at both sizes, and whether the answer reasons before its codes."""

    tiny: str
    full: str
    reasons: bool = True

    def text(self, wording: Wording) -> str:
        """The sentence at one size."""
        return self.tiny if wording == "tiny" else self.full


REQUEST = "Please generate a 3D mesh based on the prompt I provided: "

INSTRUCTIONS: dict[str, Instruction] = {
    "semantic-plan": Instruction(
        tiny="plan:",
        full=(
            "First write a short plan of the object described below: which kind of it this is, the basic shapes that it is "
            "built from, how they are laid out and in what proportions. Settle what the request leaves open. Two to four "
            "sentences, no colours, no surface detail. Then write the codes of a rough mesh that follows the plan. "
            + REQUEST
        ),
    ),
    "visual-detail": Instruction(
        tiny="detail:",
        full=(
            "Below are a request for a 3D object and a plan of its shape. First describe exactly how the finished object "
            "looks: every part, how many there are of it, its colour, material and pattern, how parts meet, and the symmetry. "
            "Give the description only. Then write the codes of the refined mesh. " + REQUEST
        ),
    ),
    "direct": Instruction(
        tiny="make:",
        full=REQUEST,
        reasons=False,
    ),
    "direct-free": Instruction(
        tiny="make:",
        full=REQUEST,
    ),
    "plan-then-fine": Instruction(
        tiny="plan and make:",
        full=(
            "First write a short plan of the object described below: which kind of it this is, the basic shapes that it is "
            "built from, how they are laid out and in what proportions. Two to four sentences. Then write the codes of the "
            "finished mesh. " + REQUEST
        ),
    ),
}
"""By the name that a stage's config uses."""

SYSTEM: dict[Wording, str] = {"tiny": "", "full": "You are a helpful assistant."}
"""The system turn; none at tiny size, Qwen's own at full size, as ShapeLLM-Omni has it."""


def instruction(name: str) -> Instruction:
    """Raises ValueError with the known names where there is none of that name."""
    if name not in INSTRUCTIONS:
        raise ValueError(f"There is no instruction {name!r}; the known ones are {', '.join(INSTRUCTIONS)}.")
    return INSTRUCTIONS[name]


def user_turn(
    prompt_text: str, name: str, plan: str = "", coarse_codes: Sequence[int] = (), wording: Wording = "tiny"
) -> tuple[str | tuple[int, ...], ...]:
    """A user turn as pieces, in order: text to be encoded as text, and codes (a tuple) to be written as mesh tokens.

    >>> user_turn("a red chair", "visual-detail", plan="four legs", coarse_codes=(7, 1))
    ('detail: a red chair\\nfour legs\\n', (7, 1))

    The prompt is cut of surrounding white space and its line breaks become spaces, so that it cannot pose as a plan.
    Raises ValueError for an empty prompt or an unknown instruction.
    """
    request = " ".join(prompt_text.split())
    if not request:
        raise ValueError("The prompt is empty; describe the object to make.")
    lead = instruction(name).text(wording).strip()
    text = f"{lead} {request}" + (f"\n{plan.strip()}" if plan else "")
    return (f"{text}\n", tuple(coarse_codes)) if coarse_codes else (text,)
