"""The client against a real server: answers, stalls, breaks, nonsense, 429 and 500; cache, balance, bounds, keys."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from maquette.rewards.judge_client import REFUSED_IN_A_ROW, Answer, JudgeClient, JudgeGone, JudgeSettings, Question
from tests.full.judge_server import BREAK_OFF, CUT, DRIP, GARBAGE, REFUSAL, STALL, judge


def as_number(text: str) -> dict[str, object]:
    return {"score": float(text)}


def client(*addresses: str, cache: Path | None = None, **changes: object) -> JudgeClient:
    quick = {"timeout": 2.0, "retries": 2, "backoff": 0.01, "concurrency": 8}
    return JudgeClient(JudgeSettings(addresses, "qwen", **(quick | changes)), cache)


def questions(count: int) -> list[Question]:
    return [Question(f"number {i}", as_number) for i in range(count)]


def test_answers_come_in_the_order_of_the_questions_and_within_the_bound():
    gate = threading.Barrier(4, timeout=5)

    def reply(body: dict, number: int) -> str:
        if number < 4:
            gate.wait()  # passes only if four questions are under way together
        return body["messages"][-1]["content"][-1]["text"].split()[-1]

    with judge(reply) as server:
        found = client(server.address, concurrency=4).ask(questions(12))
    assert [a.value for a in found] == [{"score": float(i)} for i in range(12)]
    assert server.most == 4


def test_the_request_carries_pictures_schema_model_and_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JUDGE_KEY", "secret")
    schema = {"type": "object"}
    with judge(lambda body, number: "1") as server:
        question = Question("how good?", as_number, "be strict", (b"one", b"two"), schema=schema)
        client(server.address, key_env="JUDGE_KEY").ask([question])
        client(server.address, structured=False).ask([question])
    body, plain = server.requests
    system, user = body["messages"]
    urls = [part["image_url"]["url"] for part in user["content"][:2]]
    assert [base64.b64decode(url.split(",")[1]) for url in urls] == [b"one", b"two"]
    assert urls[0].startswith("data:image/png;base64,")
    assert (system["content"], user["content"][2]["text"], body["model"], body["temperature"]) == (
        "be strict",
        "how good?",
        "qwen",
        0,
    )
    assert body["response_format"]["json_schema"]["schema"] == schema and "response_format" not in plain
    assert server.headers[0]["Authorization"] == "Bearer secret" and "Authorization" not in server.headers[1]


@pytest.mark.parametrize("fault", [429, 500, 503, BREAK_OFF, GARBAGE, REFUSAL, "no number at all"])
def test_what_goes_wrong_once_is_asked_again(fault: object):
    with judge(lambda body, number: fault if number == 0 else "4") as server:
        asked = client(server.address)
        assert asked.ask(questions(1)) == [Answer({"score": 4.0}, "4")]
        assert asked.take()["retried"] == 1


@pytest.mark.parametrize("fault", [STALL, DRIP])
def test_a_judge_that_stalls_or_drips_is_left_after_the_time_out(fault: str):
    with judge(lambda body, number: fault if number == 0 else "4") as server:
        assert client(server.address, timeout=0.4).ask(questions(1))[0].value == {"score": 4.0}


@pytest.mark.parametrize(("fault", "kept"), [("maybe", "maybe"), (REFUSAL, "I would rather not."), (GARBAGE, "hello")])
def test_lasting_nonsense_is_missing_and_its_words_are_kept(fault: str, kept: str):
    with judge(lambda body, number: fault) as server:
        asked = client(server.address, retries=4, backoff=60.0)  # a pause would outlast the test
        (found,) = asked.ask(questions(1))
        assert found.value is None and kept in found.text and server.address in found.missing
        assert len(server.requests) == 2  # the same words would come a third time
        assert asked.take()["missing"] == 1
        (refused,) = asked.refusals()  # kept until somebody writes them down
        assert kept in refused.text and server.address in refused.why and asked.refusals() == []


def test_nonsense_and_a_fault_of_the_wire_are_counted_apart():
    said = {0: "maybe", 1: 500, 2: "maybe", 3: "4"}
    with judge(lambda body, number: said[number]) as server:
        assert client(server.address, retries=4).ask(questions(1))[0].value is None and len(server.requests) == 3
    with judge(lambda body, number: 500 if number < 2 else said[3]) as server:
        assert client(server.address).ask(questions(1))[0].value == {"score": 4.0} and len(server.requests) == 3


def test_who_waits_to_ask_again_holds_no_slot():
    def reply(body: dict, number: int) -> object:
        return 500 if number == 0 else "4"

    with judge(reply) as server:
        asked = client(server.address, concurrency=1, backoff=1.0)
        found = asked.ask(questions(2))
    assert all(answer.value == {"score": 4.0} for answer in found) and server.most == 1
    order = [body["messages"][-1]["content"][-1]["text"] for body in server.requests]
    assert order[0] == order[2] != order[1]  # the other question was asked during the pause


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def test_an_unreachable_judge_stops_the_run_with_its_address():
    address = closed_port()
    with pytest.raises(JudgeGone, match=rf"qwen does not answer after 3 tries, the last at {address}.*--resume"):
        client(address).ask(questions(1))
    gone = client(address, when_gone="go-on")
    (found,) = gone.ask(questions(1))
    assert found.value is None and address in found.missing and gone.take()["missing"] == 1


def test_lasting_errors_of_the_server_stop_the_run_with_its_last_words():
    with judge(lambda body, number: 500) as server, pytest.raises(JudgeGone, match=r"status 500.*as asked"):
        client(server.address).ask(questions(1))


def test_a_wrong_model_name_is_not_asked_twice():
    with judge(lambda body, number: 404) as server:
        with pytest.raises(JudgeGone, match="refuses the request: status 404"):
            client(server.address).ask(questions(1))
        assert len(server.requests) == 1


def test_another_address_takes_over_from_a_dead_one_and_the_load_is_shared():
    hold = threading.Event()

    def slow(body: dict, number: int) -> str:
        hold.wait(0.05)
        return "1"

    with judge(slow) as one, judge(slow) as two:
        client(one.address, two.address).ask(questions(16))
        assert len(one.requests) + len(two.requests) == 16 and min(len(one.requests), len(two.requests)) >= 4
        before = len(two.requests)
        found = client(closed_port(), two.address).ask(questions(4))
    assert all(a.value == {"score": 1.0} for a in found) and len(two.requests) == before + 4


def test_the_same_question_is_answered_from_disk_by_content(tmp_path: Path):
    with judge(lambda body, number: str(number)) as server:
        first = client(server.address, cache=tmp_path).ask(questions(3))
        again = client(server.address, cache=tmp_path)
        second = again.ask(questions(4))
        assert [a.value for a in second[:3]] == [a.value for a in first] and all(a.cached for a in second[:3])
        assert len(server.requests) == 4 and again.take()["cached"] == 3
        other = Question("number 0", as_number, images=(b"a picture",))
        assert not client(server.address, cache=tmp_path).ask([other])[0].cached


def test_nonsense_is_not_cached_and_a_broken_cache_file_is_as_none(tmp_path: Path):
    with judge(lambda body, number: "maybe" if number < 3 else "2") as server:
        assert client(server.address, cache=tmp_path).ask(questions(1))[0].value is None
        assert client(server.address, cache=tmp_path).ask(questions(1))[0].value == {"score": 2.0}
        (file,) = tmp_path.rglob("*.json")
        file.write_text('{"te')
        assert not client(server.address, cache=tmp_path).ask(questions(1))[0].cached
    assert json.loads(file.read_text()) == {"text": "2"}


def test_tokens_cost_and_counts_are_told_once():
    with judge(lambda body, number: "1") as server:
        asked = client(server.address, price_in=1.0, price_out=10.0)
        asked.ask(questions(5))
    told = asked.take()
    assert (told["asked"], told["tokens_in"], told["tokens_out"]) == (5, 500, 50)
    assert told["cost"] == pytest.approx(5 * (100 * 1.0 + 10 * 10.0) / 1e6) and told["seconds"] > 0
    assert asked.take() == dict.fromkeys(told, 0.0)


def test_the_latency_is_that_of_a_request():
    def slow(body: dict, number: int) -> str:
        time.sleep(0.3 if number == 2 else 0.1)
        return "1"

    with judge(slow) as server:
        asked = client(server.address, concurrency=1)
        asked.ask(questions(3))
    told = asked.take()
    assert 0.16 <= told["latency"] <= told["latency_longest"] <= told["seconds"]
    assert 0.3 <= told["latency_longest"] < 0.5 <= told["seconds"]


def test_an_answer_that_is_cut_off_is_missing_though_it_reads_as_a_number(tmp_path: Path):
    with judge(lambda body, number: CUT + "2.") as server:
        asked = client(server.address, cache=tmp_path, max_tokens=64)
        (found,) = asked.ask(questions(1))
        assert (found.value, found.text) == (None, "2.") and "cut off at max_tokens = 64" in found.missing
        assert len(server.requests) == 1 and asked.take()["missing"] == 1 and asked.refusals()[0].text == "2."
        assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("status", [400, 413, 422])
def test_one_question_that_the_server_refuses_is_missing_and_the_others_are_answered(status: int):
    def picky(body: dict, number: int) -> object:
        return status if body["messages"][-1]["content"][-1]["text"].endswith("1") else "4"

    with judge(picky) as server:
        asked = client(server.address)
        found = asked.ask(questions(3))
        assert [a.value is None for a in found] == [False, True, False] and len(server.requests) == 3
        assert f"status {status}" in found[1].missing and "as asked" in asked.refusals()[0].text
        (alone,) = asked.ask(questions(2)[1:])  # whoever has answered before may refuse one that is asked alone
        assert alone.value is None and asked.take()["missing"] == 2


def test_a_server_that_refuses_every_question_stops_the_run_with_its_words():
    with judge(lambda body, number: 400) as server:
        with pytest.raises(JudgeGone, match=r"qwen refuses every question: .*status 400: .*as asked"):
            client(server.address).ask(questions(3))
        assert [a.value for a in client(server.address, when_gone="go-on").ask(questions(2))] == [None, None]
    with judge(lambda body, number: "4" if number == 0 else 400) as server:  # and one that begins to, later on
        asked = client(server.address)
        asked.ask(questions(1))
        asked.ask(questions(REFUSED_IN_A_ROW - 1))
        with pytest.raises(JudgeGone, match="refuses every question"):
            asked.ask(questions(1))


def test_a_cached_answer_that_no_longer_reads_is_asked_again(tmp_path: Path):
    with judge(lambda body, number: "7" if number == 0 else "3") as server:
        client(server.address, cache=tmp_path).ask(questions(1))

        def stricter(text: str) -> dict[str, object]:
            if float(text) > 5:
                raise ValueError("must be at most 5")
            return as_number(text)

        asked = client(server.address, cache=tmp_path)
        (found,) = asked.ask([Question("number 0", stricter)])
        assert found == Answer({"score": 3.0}, "3") and asked.take()["cached"] == 0
        assert asked.ask([Question("number 0", stricter)])[0].cached  # the better answer took its place


def test_several_rewards_share_one_clients_bound():
    hold = threading.Event()

    def slow(body: dict, number: int) -> str:
        hold.wait(0.05)
        return "1"

    with judge(slow) as server:
        asked = client(server.address, concurrency=3)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(asked.ask, [questions(6)] * 3))
        assert len(server.requests) == 18 and server.most == 3


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="needs an address"):
        client()
    with pytest.raises(ValueError, match=r"key in \$ABSENT_KEY"):
        client("http://localhost/v1", key_env="ABSENT_KEY")
