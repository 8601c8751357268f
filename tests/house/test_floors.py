"""Who may know whom: imports point inward only."""

import ast
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.house.source import MODULES, TREES, imports, place

#: the parts of the package -> the parts that each may import. A new part needs a row.
FLOORS = {
    "core": set(),
    # leaves: plain values and lines, for everybody above the core
    "setting_types": {"core", "weak_secrets"},
    "phone_verification": {"core"},
    "env_file": set(),
    "settings": {"core", "env_file", "loading", "phone_verification", "setting_types"},
    "logs": {"core"},
    "faces": set(),
    "plugins": {"core"},
    "extras": set(),
    "loading": {"extras", "plugins"},
    "dialing": set(),
    "postgres_connection": set(),
    # adapters: never each other
    "clock": {"core"},
    "directory": {"core", "loading", "plugins"},
    "directories": {"core", "dialing", "postgres_connection"},
    "moving": {"core"},
    "store": {"core", "loading", "plugins"},
    "sole_worker": {"core"},
    "stores": {"core", "postgres_connection"},
    "channels": {"core", "dialing", "loading", "plugins", "settings"},
    "limits": {"core"},
    "keyring": {"core", "env_file", "settings"},
    "session_tokens": set(),
    "weak_secrets": set(),
    "proof": {"core", "extras"},
    "records": {"core"},
    "verify_services": {"core"},
    # what puts them together
    "refusals": {
        "core", "settings", "keyring", "store", "faces", "directory", "loading", "plugins", "proof", "weak_secrets",
    },
    "reloading": {"refusals", "setting_types", "settings"},
    "startup": {"core", "settings", "channels", "directory", "keyring", "store", "refusals"},
    "profiles": {"core", "settings", "verify_services"},
    "wiring": {
        "core", "settings", "logs", "clock", "store", "channels", "keyring", "directory", "loading", "plugins",
        "profiles", "proof", "session_tokens", "verify_services",
    },
    # faces
    "web": {
        "core", "settings", "setting_types", "logs", "limits", "startup", "refusals", "reloading", "wiring", "faces",
        "verify_services", "sole_worker",
    },
    "cli": {
        "core", "setting_types", "settings", "clock", "keyring", "startup", "store", "moving", "records", "proof",
    },
    "servers": {"logs", "sole_worker"},
    # doors
    "": {"settings", "wiring", "web"},
    "__main__": {"cli"},
}

#: packages of others -> the only parts, or modules, that may import them
OUTSIDE = {
    "phonenumbers": {"core", "setting_types"},
    "pydantic": {
        "settings", "setting_types", "phone_verification",
        "web.body", "web.send", "web.users", "web.phone.fields", "web.phone.views",
    },
    "pydantic_core": {"phone_verification"},
    "jwt": {"proof", "session_tokens"},
    "cryptography": {"proof"},
    "dotenv": {"env_file"},
    "limits": {"limits", "setting_types", "web.guard"},
    "flask": {"web", ""},
    "flask_limiter": {"web.guard"},
    "werkzeug": {"web"},
    "gunicorn": {"servers.http_worker", "servers.connection"},
    "urllib3": {"directories.https"},
    "redis": {"stores.redis", "stores.redis_client"},
    "psycopg": {"postgres_connection", "stores.postgres", "stores.postgres_pool", "directories.postgres"},
    "psycopg_pool": {"stores.postgres_pool", "directories.postgres"},
    "twilio": {"channels.twilio_client", "channels.twilio_status", "channels.twilio_transport"},
    "_typeshed": {"web"},  # for the type checker only: there is no such module
}


def part(module):
    """The part of the package that a module belongs to: `otp_app.web.send` -> `web`."""
    return module.removeprefix("otp_app").removeprefix(".").split(".")[0]


def test_there_is_a_floor_for_every_part():
    """And no floor for a part that is gone."""
    assert {part(module) for module in MODULES} == set(FLOORS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_inward(module):
    """A module imports its own part and those below it: a store knows no channel, and nobody knows the web."""
    own = [name for name in imports(MODULES[module]) if name.split(".")[0] == "otp_app"]
    assert {part(name) for name in own} <= FLOORS[part(module)] | {part(module)}


@pytest.mark.parametrize("module", MODULES)
def test_packages_of_others_have_their_place(module):
    """Flask is known to the web only, Twilio to its channels; the core needs phonenumbers and nothing else."""
    outside = {name.split(".")[0] for name in imports(MODULES[module])} - sys.stdlib_module_names - {"otp_app"}
    here = {part(module), module.removeprefix("otp_app.")}
    assert [name for name in sorted(outside) if not OUTSIDE.get(name, set()) & here] == []


def test_the_core_does_nothing_outside():
    """No files, no network, no clock, no randomness: they are handed in."""
    outside = {"os", "pathlib", "io", "socket", "sqlite3", "subprocess", "time", "datetime", "secrets"}
    core = [module for module in MODULES if part(module) == "core"]
    assert len(core) > 10
    assert {module for module in core if outside & {name.split(".")[0] for name in imports(MODULES[module])}} == set()


def test_nothing_is_imported_in_a_circle():
    """Neither at the top, nor late in a function, nor for types alone."""
    graph = {module: {name for name in imports(tree) if name in MODULES} - {module} for module, tree in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


# ---- what is never done


def findings(rule):
    """Where a rule finds something."""
    return [place(path, node) for path, tree in TREES.items() for node in ast.walk(tree) if rule(path, node)]


def test_no_randomness_that_can_be_foretold():
    """The module random is for games: its numbers follow from those before."""
    assert [module for module, tree in MODULES.items() if "random" in set(imports(tree))] == []


SECRETS = {"guess", "otp", "test_code", "digest", "secret"}


def names(node):
    """The last name of an expression: `a.b.code` -> code."""
    return {node.id} if isinstance(node, ast.Name) else {node.attr} if isinstance(node, ast.Attribute) else set()


def test_codes_are_compared_in_constant_time():
    """With codes.matches alone: == stops at the first digit that differs. (Outside the core `code` is an error's.)"""

    def compares_a_code(path, node):
        secrets = SECRETS | {"code"} if path.parent.name == "core" else SECRETS
        equal = isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)
        return equal and any(names(side) & secrets for side in (node.left, *node.comparators))

    assert findings(compares_a_code) == []


#: PRAGMA and CREATE take no parameters; these are constants, or one of three words that the URL's parser let through
CONSTANTS = {"MARK", "FORMAT", "self._schema", "self._synchronous"}


def test_sql_is_not_put_together():
    """Values travel as parameters; a statement is written in one piece."""

    def puts_together(path, node):
        calls = {"execute", "executemany", "executescript"}
        if not (isinstance(node, ast.Call) and node.args and names(node.func) & calls):
            return False
        statement = node.args[0]
        values = {ast.unparse(part.value) for part in ast.walk(statement) if isinstance(part, ast.FormattedValue)}
        return not values <= CONSTANTS or isinstance(statement, ast.BinOp | ast.Call)

    assert findings(puts_together) == []


def test_nothing_is_switched_off_that_protects():
    """No verify=False, no shell=True."""

    def switched(path, node):
        return (
            isinstance(node, ast.keyword)
            and isinstance(node.value, ast.Constant)
            and (node.arg, node.value.value) in {("verify", False), ("shell", True), ("check_hostname", False)}
        )

    assert findings(switched) == []


def test_nothing_is_run_that_was_read():
    """No eval, no exec, no format of data that can hold code."""

    def runs(path, node):
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}

    assert findings(runs) == []
    unpack = {"pickle", "marshal", "shelve", "yaml"}
    assert [module for module, tree in MODULES.items() if unpack & {n.split(".")[0] for n in imports(tree)}] == []
