"""What a reference page's examples need to be there, as shell commands.

A page that has nothing here begins in a town with this `TEAM`, all on the CLI claude.
"""

from __future__ import annotations

TEAM = ("architect", "developer", "tester", "reviewer")

#: A task of an agent on the CLI of the tests does what its lines say; this one waits for the end.
_WAITS = r"$'Work\ndo: wait everybody-go'"


def _plan(*tasks: str, options: str = "") -> str:
    """A plan file; each task is given as its lines."""
    text = "\n".join(f"[[tasks]]\n{task}" for task in tasks)
    return f"cat >tasks.toml <<'END'\n{text}\nEND\n" + options


def _task(name: str, agent: str, text: str = "Work", more: str = "") -> str:
    return f'id = "{name}"\ndescription = """{text}"""\nagent = "{agent}"\n{more}'


#: Hands out the plan without following it.
_GO = "tt sync push --propose\ntt plan approve main\n"
_DEPLOY = _plan(_task("deploy", "ops", "Roll version 2 out", "approve = true"), options=_GO)
_PIPELINE = _plan(
    _task("design", "architect", "Design a REST API"),
    _task("implement", "developer", "Implement the auth API", 'parent = "design"'),
    _task("test", "tester", "Write tests", 'parent = "implement"'),
)

STAGES = {
    "answer": r"""
        tt spawn architect
        tt send architect --info one
        tt send architect --info two
        tt assign architect $'Design it\ndo: tt ask "Which database shall I use?"'
        tt wait architect
    """,
    "approve": f"tt spawn ops\n{_DEPLOY}",
    "assign": f"""
        tt spawn developer
        tt spawn reviewer
        tt spawn w1 --role worker
        tt assign developer {_WAITS}
        tt assign developer {_WAITS}
    """,
    "backlog-add": "",
    "backlog-claim": 'tt spawn developer\ntt backlog add "Tidy the imports" --tag chore',
    "history": r"""
        tt spawn reviewer
        tt assign reviewer $'Look at it\ndo: say Looks good; two typos mended'
        tt wait
    """,
    "inbox": f"""
        tt spawn ops
        tt spawn architect
        tt send architect --info --from ann "Freeze at noon"
        {_DEPLOY}
    """,
    "plan": _PIPELINE.replace(
        "[[tasks]]", '[meta]\ndescription = "Auth API pipeline"\n[[tasks]]', 1
    ),
    "init": "",
    "plan-reject": _plan(
        *(_task(name, "ann") for name in "abc"),
        options="tt sync push --plan billing --propose tasks.toml",
    ),
    "reclaim": """
        tt spawn reviewer
        tt spawn developer
        tt interrupt reviewer
        tt interrupt developer
        tt assign reviewer "Review module A"
        tt assign reviewer "Review module B"
        tt kill reviewer
    """,
    "reject": "tt spawn developer\ntt spawn reviewer\ntt interrupt reviewer\n"
    + _plan(
        _task("login", "developer", more='review = "reviewer"'), options=f"{_GO}tt wait developer"
    ),
    "reset": "tt spawn ann\ntt spawn bob\ntt assign ann Work\ntt wait\ntt send bob --info Hello",
    "restore": """
        mkdir ../shop ../new
        cd ../shop
        tt init --name shop
        tt spawn ann
        tt save ../new/shop.save
        cd ../new
        tt init
    """,
    "save": "tt spawn ann\ntt assign ann Work\ntt wait",
    "send": "tt spawn reviewer",
    "spawn": "",
    "status": f"""
        tt spawn architect --cli claude --role "designs the API"
        tt spawn reviewer --cli claude
        tt interrupt architect
        tt send architect --info "Freeze at noon"
        tt resume architect
        for task in 1 2 3 4; do tt assign reviewer {_WAITS}; done
        until tt status | grep '1 running'; do :; done
    """,
    "task-log": f"tt spawn architect\n{_PIPELINE}{_GO}tt wait architect",
    "sync-push": _plan(_task("lint", "ann"), _task("a", "ann"), options="tt sync push\n")
    + _plan(_task("a", "ann"), _task("b", "ann"), _task("c", "ann")),
    "task-cancel": _PIPELINE + "tt sync push",
    "task-complete": _PIPELINE + "tt sync push",
    "task-list": r"""
        tt spawn reviewer
        tt assign reviewer "Review the README"
        tt wait
        tt spawn developer
        tt assign developer $'Write the guide\ndo: wait everybody-go'
        until tt task list --state running | grep t2; do :; done
        tt assign reviewer "Mend the typos" --after t2 --priority high
    """,
    "thread": r"""
        tt spawn developer
        tt send developer --query \
            $'Which branch are you on?\ndo: tt send person --reply-to m1 --info "On main."'
        tt wait
    """,
}
