"""What an object program yields (parts, words) and the `Builder` that it is written with.

A family is a function `def chair(b: Builder) -> None`. It asks `b` for its random choices and reports parts:

    def stool(b: Builder) -> None:
        legs = b.integer(3, 4)
        height = b.uniform(0.6, 1.1)
        b.subtype("bar stool" if height > 0.9 else "stool")
        b.proportion("tall" if height > 0.9 else "low" if height < 0.7 else "")
        wood = b.color()
        b.part("leg", around(rod(0.05, (0.25, 0, 0), (0.18, 0, height)), legs, start=45), color=wood, material="wood")
        b.part("seat", [cylinder(0.32, 0.1, at=(0, 0, height))], color=b.color(), pattern=b.pattern(), material="wood")
        b.layout(f"a round seat on {count_word(legs)} splayed legs")
        b.symmetry("round" if legs > 3 else "three-fold")

Later parts paint over earlier ones where they overlap. Everything said (colour, count, layout, proportion) must be true of the solids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from maquette.corpus.solids import Real, Solid

T = TypeVar("T")

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.82, 0.12, 0.12),
    "orange": (0.95, 0.50, 0.10),
    "yellow": (0.96, 0.83, 0.18),
    "green": (0.16, 0.58, 0.22),
    "lime": (0.62, 0.84, 0.24),
    "teal": (0.08, 0.52, 0.52),
    "cyan": (0.35, 0.82, 0.90),
    "blue": (0.14, 0.30, 0.80),
    "navy": (0.08, 0.12, 0.38),
    "purple": (0.48, 0.20, 0.66),
    "pink": (0.95, 0.56, 0.70),
    "brown": (0.42, 0.26, 0.13),
    "tan": (0.80, 0.66, 0.46),
    "white": (0.95, 0.95, 0.94),
    "grey": (0.56, 0.57, 0.58),
    "black": (0.09, 0.09, 0.10),
}
"""Named colours, sRGB in [0, 1], far enough apart to be told from one another in shaded views."""

PATTERNS = ("", "striped", "checked", "two-tone", "gradient")
"""'' is plain. striped: bands along the longest axis of each instance; checked: 3-D checks; two-tone: lower and upper half;
gradient: from one colour to the other along z."""

STYLES = ("", "low-poly", "blocky", "round")
"""'' is as written. low-poly: round things get few flat sides; blocky: all becomes boxes on a coarse lattice; round: boxes become soft."""

COUNT_WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def count_word(count: int) -> str:
    """3 -> 'three'; above twelve the figures."""
    return COUNT_WORDS[count] if count < len(COUNT_WORDS) else str(count)


@dataclass(frozen=True)
class Pattern:
    """How a part is painted beside its main colour; `second` is a colour name, `period` a fraction of the object's size."""

    kind: str = ""
    second: str = ""
    period: float = 0.16


PLAIN = Pattern()


@dataclass(frozen=True)
class Part:
    """One named part: `count` instances, each of one or more solids."""

    name: str
    instances: tuple[tuple[Solid, ...], ...]
    color: str
    pattern: Pattern = PLAIN
    material: str = ""
    counted: bool = True
    """False for what one does not count: 'trunk', 'water', 'body', 'hair'."""

    @property
    def count(self) -> int:
        return len(self.instances)


@dataclass(frozen=True)
class Design:
    """One object: everything that voxels and texts are made from."""

    family: str
    group: str
    subtype: str
    style: str
    parts: tuple[Part, ...]
    proportions: tuple[str, ...] = ()
    layout: tuple[str, ...] = ()
    symmetry: str = ""
    seed: int = 0
    colors: tuple[str, ...] = ()
    """What one sees first: the colour that covers most of the outside, and a second one if it covers nearly as much (see `sight`)."""


@dataclass
class Builder:
    """Random choices in, parts and words out. One per object; never shared."""

    rng: np.random.Generator
    parts: list[Part] = field(default_factory=list)
    subtypes: list[str] = field(default_factory=list)
    proportions: list[str] = field(default_factory=list)
    layouts: list[str] = field(default_factory=list)
    symmetries: list[str] = field(default_factory=list)

    def uniform(self, low: Real, high: Real) -> float:
        return float(self.rng.uniform(low, high))

    def integer(self, low: int, high: int) -> int:
        """Both ends included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: Real) -> bool:
        return bool(self.rng.random() < probability)

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self.rng.integers(len(options)))]

    def color(self, *allowed: str) -> str:
        """One of the named colours (all sixteen unless some are given)."""
        return self.choice(allowed or tuple(COLORS))

    def other_color(self, *taken: str, allowed: Sequence[str] = ()) -> str:
        """A named colour that is none of those taken."""
        return self.choice([c for c in (allowed or COLORS) if c not in taken])

    def pattern(self, main: str, probability: Real = 0.35, kinds: Sequence[str] = PATTERNS[1:]) -> Pattern:
        """Plain, or by chance one of `kinds` with a second colour unlike `main`."""
        if not self.chance(probability):
            return PLAIN
        return Pattern(self.choice(kinds), self.other_color(main), self.uniform(0.13, 0.22))

    def part(
        self,
        name: str,
        instances: Sequence[Solid | Sequence[Solid]],
        color: str,
        pattern: Pattern = PLAIN,
        material: str = "",
        counted: bool = True,
    ) -> None:
        """Report a part (singular name). Each instance is a solid or a group of solids that make one instance together."""
        if not instances:
            return
        groups = tuple((i,) if isinstance(i, Solid) else tuple(i) for i in instances)
        self.parts.append(Part(name, groups, color, pattern, material, counted))

    def subtype(self, name: str) -> None:
        """A truer name than the family's, e.g. 'bar stool'."""
        self.subtypes.append(name)

    def proportion(self, word: str) -> None:
        """An adjective that the figures bear out, e.g. 'tall'; '' says nothing."""
        if word:
            self.proportions.append(word)

    def layout(self, text: str) -> None:
        """How the main parts sit to one another: a noun phrase without colours, e.g. 'a round seat on four splayed legs'."""
        self.layouts.append(text)

    def symmetry(self, text: str) -> None:
        """One of 'left-right', 'round', 'three-fold', 'four-fold', 'none'."""
        self.symmetries.append(text)


@dataclass(frozen=True)
class Family:
    """A kind of object: its program and where it belongs."""

    program: Callable[[Builder], None]
    group: str
    """furniture, vehicles, animals and plants, tools and instruments, buildings, food and figures"""
    synonyms: tuple[str, ...] = ()
    rare: bool = False
    """Long-tail: seldom drawn for training (see `splits`)."""
    category: str = ""
    """Its MME-3DR category: spatial, mechanical, biological, rare, stylised ('' where the style decides)."""


def build(name: str, family: Family, seed: int, style: str = "") -> Design:
    """Run a family's program: the same name, seed and style give the same design on every machine."""
    b = Builder(np.random.default_rng([seed, *name.encode()]))
    family.program(b)
    return Design(
        family=name,
        group=family.group,
        subtype=b.subtypes[-1] if b.subtypes else name,
        style=style,
        parts=tuple(b.parts),
        proportions=tuple(dict.fromkeys(b.proportions)),
        layout=tuple(b.layouts),
        symmetry=b.symmetries[-1] if b.symmetries else "",
        seed=seed,
    )
