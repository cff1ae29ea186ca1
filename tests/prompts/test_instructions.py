import pytest

from maquette.prompts.instructions import INSTRUCTIONS, SYSTEM, instruction, user_turn


def test_turns_by_hand() -> None:
    assert user_turn("a red chair", "direct") == ("make: a red chair",)
    assert user_turn("a red chair", "visual-detail", plan="four legs") == ("detail: a red chair\nfour legs",)
    seen = user_turn("a red chair", "visual-detail", plan="four legs", coarse_codes=(7, 1))
    assert seen == ("detail: a red chair\nfour legs\n", (7, 1))


def test_the_full_direct_wording_is_the_models_own() -> None:
    full = user_turn("a red chair", "direct", wording="full")
    assert full == ("Please generate a 3D mesh based on the prompt I provided: a red chair",)
    assert SYSTEM["full"] == "You are a helpful assistant." and SYSTEM["tiny"] == ""


def test_tiny_wordings_are_short_and_unlike() -> None:
    unlike = [one for name, one in INSTRUCTIONS.items() if name != "direct-free"]  # worded as direct, but it may reason
    tiny = [one.tiny for one in unlike]
    assert len(set(tiny)) == len(tiny) == len({one.full for one in unlike})
    assert max(len(text) for text in tiny) <= 15
    assert not instruction("direct").reasons and instruction("semantic-plan").reasons


def test_a_prompt_cannot_pose_as_a_plan() -> None:
    assert user_turn("  a chair\nfour legs\t", "visual-detail") == ("detail: a chair four legs",)


def test_nothing_and_the_unknown_are_errors() -> None:
    with pytest.raises(ValueError, match="The prompt is empty"):
        user_turn(" \n", "direct")
    with pytest.raises(ValueError, match="no instruction 'shout'; the known ones are semantic-plan"):
        user_turn("a chair", "shout")
