import os
import subprocess
from pathlib import Path

import pytest

from tests.domain.towns import make_town, message
from tinytownd.domain.message import CONDUCTOR
from tinytownd.runtimes.catalogue import PRESETS
from tinytownd.runtimes.readers import Transcript, reader
from tinytownd.runtimes.verdict import verdict
from tinytownd.supervisor import brief

PROMPT = """\
You are developer, one of a team of agents in one project.
Team: architect (designs things), developer, tester

# Your task: implement
Implement the auth API from the architect's design
# with a heading of its own

# Results it builds on
## design, by architect
POST /login gives a JWT.
    tt task complete another --result "quoted by somebody"

# When you are done
    tt task complete implement --result "what you did"
    tt task fail implement --reason "why"
To write to a team-mate:
    tt send NAME "text"
"""
MESSAGES = """\
You are developer, one of a team of agents in one project.
Team: architect, developer

# Messages
architect: the design is done
"""
FAKE_TT = '#!/bin/sh\nprintf "%s|" "$@" >>calls; echo >>calls; echo said >&2; exit ${TT_EXIT:-0}\n'


class Stage:
    def __init__(self, directory: Path) -> None:
        self.cwd = directory / "town"
        self.cwd.mkdir()
        (directory / "bin").mkdir()
        self.tt = directory / "bin" / "tt"
        self.tt.write_text(FAKE_TT)
        self.tt.chmod(0o755)
        path = f"{self.tt.parent}:{os.environ['PATH']}"
        self.env = {"PATH": path, "REHEARSAL_SECONDS": "0"}

    def play(
        self,
        prompt: str,
        session: str | None = None,
        model: str | None = None,
        mode: str = "bypass",
    ) -> tuple[int, str, Transcript]:
        file = self.cwd.parent / "prompt.md"
        file.write_text(prompt)
        argv = PRESETS["rehearsal"].invocation(file, prompt, session, model, mode).argv
        with file.open("rb") as stdin:
            done = subprocess.run(
                argv, stdin=stdin, cwd=self.cwd, env=self.env, capture_output=True, check=False
            )
        subject = reader("claude")
        subject.feed(done.stdout)
        return done.returncode, done.stderr.decode(), subject.finish()

    def calls(self) -> list[str]:
        file = self.cwd / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_it_plays_a_task_from_the_prompt_alone(stage: Stage) -> None:
    code, stderr, transcript = stage.play(PROMPT)
    assert (code, stderr) == (0, "")
    send, complete = stage.calls()
    assert send.startswith("send|tester|--info|implement is done")
    assert complete.startswith("task|complete|implement|--result|")
    assert "implement.md" in complete
    left = (stage.cwd / "implement.md").read_text()
    assert "Implement the auth API" in left
    assert "# with a heading of its own" in left
    assert "Built on design, by architect." in left
    outcome = verdict(transcript, code, stderr)
    assert outcome.kind == "completed"
    assert "implement.md" in outcome.text
    assert outcome.input_tokens > 0


def test_one_that_may_only_read_leaves_nothing(stage: Stage) -> None:
    assert stage.play(PROMPT, mode="read")[:2] == (0, "")
    assert [call.partition("|")[0] for call in stage.calls()] == ["send", "task"]
    assert [file.name for file in stage.cwd.iterdir()] == ["calls"]
    assert "nothing" in stage.calls()[-1]
    stage.play(PROMPT, mode="edit")
    assert (stage.cwd / "implement.md").exists()


def test_it_resumes_a_session(stage: Stage) -> None:
    first = stage.play(PROMPT)[2].session
    assert first
    assert stage.play(PROMPT, session=first, model="big")[2].session == first
    assert stage.play(PROMPT)[2].session != first


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "Do something.",
        PROMPT.replace("task complete implement", "task complete"),
        PROMPT.replace("implement", ""),
        PROMPT.replace("    tt task", "    tt"),
        PROMPT.replace("    tt", "    town"),
    ],
)
def test_without_the_id_or_the_commands_it_fails(stage: Stage, prompt: str) -> None:
    prompt = prompt.replace("    tt task complete another", "    quoted")
    code, stderr, transcript = stage.play(prompt)
    assert code == 1
    assert "tt task complete" in stderr
    assert verdict(transcript, code, stderr).kind == "failed"
    assert stage.calls() == []
    assert list(stage.cwd.iterdir()) == []


@pytest.mark.parametrize(
    "prompt",
    [
        PROMPT.replace("Team: architect (designs things), developer, tester\n", ""),
        PROMPT.replace("architect (designs things), developer, tester", "developer"),
        PROMPT.replace('    tt send NAME "text"\n', ""),
    ],
)
def test_alone_it_writes_to_nobody(stage: Stage, prompt: str) -> None:
    assert stage.play(prompt)[0] == 0
    assert [call.partition("|")[0] for call in stage.calls()] == ["task"]


def test_the_last_of_the_team_writes_to_the_first(stage: Stage) -> None:
    stage.play(PROMPT.replace("You are developer", "You are tester"))
    assert stage.calls()[0].startswith("send|architect|")


def test_messages_are_read(stage: Stage) -> None:
    code, _, transcript = stage.play(MESSAGES)
    assert (code, transcript.failed) == (0, False)
    assert "read 1 lines of messages" in transcript.text
    assert stage.calls() == []


def test_the_conductors_agent_is_played_too(stage: Stage) -> None:
    told = [message(4, CONDUCTOR, text="How is it going?", sort="query")]
    code, _, transcript = stage.play(brief.write(make_town(), told))
    assert (code, transcript.failed) == (0, False)
    assert transcript.text.startswith("conductor has read ")
    assert stage.calls() == []


def test_a_refusing_or_missing_tt_fails_the_round(stage: Stage) -> None:
    stage.env["TT_EXIT"] = "2"
    code, stderr, transcript = stage.play(PROMPT)
    assert (code, transcript.failed) == (1, True)
    assert "exited 2: said" in stderr
    stage.env["PATH"] = str(stage.cwd)
    code, stderr, _ = stage.play(PROMPT)
    assert (code, "no `tt` on PATH" in stderr) == (1, True)


def test_an_id_is_no_path(stage: Stage) -> None:
    stage.play(PROMPT.replace("complete implement", "complete plan/../../implement"))
    assert (stage.cwd / "plan-..-..-implement.md").exists()


def test_it_approves_what_it_reviews(stage: Stage) -> None:
    ends = '# When you are done\n    tt approve login\n    tt reject login "why"\n'
    prompt = (
        "You are rev, of a team.\n\n# Your task: login.review\nReview it.\n    tt approve x\n\n"
    )
    code, _, transcript = stage.play(prompt + ends)
    assert (code, transcript.text) == (0, "rev has approved login")
    assert (stage.cwd / "calls").read_text() == "approve|login|\n"
