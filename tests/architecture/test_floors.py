"""Who may know whom: imports point inward only."""

import ast
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

import otp_app
from tests.architecture.source import MODULES, PACKAGE, TREES, imports, place

#: the lines of the list in otp_app's docstring, from the top: each the parts that share a floor
FLOORS = [line.split() for line in otp_app.__doc__.splitlines() if line.startswith("    ")]
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}

#: packages of others -> the only parts, or modules, that may import them
OUTSIDE = {
    "phonenumbers": {"core", "settings.types"},
    "msgspec": {
        "core", "apis.users.settings", "apis.verify_v2.settings", "apis.grpc.settings",
        "channels.twilio.messages", "channels.twilio.settings", "settings", "startup", "system.logs",
        "web.application", "web.body", "web.client", "web.current",
        "apis.inbound.fields", "apis.native.fields", "apis.users.fields", "apis.phone.fields", "apis.phone.settings",
        "apis.notifications.fields", "apis.notifications.settings",
    },
    "jwt": {"proof", "apis.phone.session_tokens"},
    "cryptography": {"proof"},
    "dotenv": {"settings.env_file"},
    "jinja2": {"apis.operator.pages"},
    "limits": {"web.limits", "settings.types"},
    "click": {"cli"},
    "flask": {"web", "apis", "serving.app", "__init__"},
    "flask_limiter": {"web.guard"},
    "werkzeug": {"web"},
    "gunicorn": {
        "serving.__main__", "web.gunicorn.answer", "web.gunicorn.answering", "web.gunicorn.connection",
        "web.gunicorn.log", "web.gunicorn.plain",
    },
    "urllib3": {"apis.users.directories.https"},
    "redis": {"stores.redis"},
    "pika": {"bus.connecting"},
    "connectrpc": {"apis.connect.opening"},
    "protobuf": {"apis.connect.opening", "apis.connect.auth_service"},
    "sqlalchemy": {"accounts"},
    "alembic": {"accounts.migrating", "accounts.migrations.versions.0001_accounts"},
    "psycopg": {"connections.postgres", "stores.postgres", "apis.users.directories.postgres", "history.postgres"},
    "psycopg_pool": {"connections.postgres", "stores.postgres.pool"},
    "twilio": {"channels.twilio"},
    "grpc": {"apis.grpc"},
    "grpc_health": {"apis.grpc"},
    "grpc_reflection": {"apis.grpc"},
    "google": {"apis.grpc"},  # its protobuf
    "opentelemetry": {"monitoring.tracing.tracer"},
    "_typeshed": {"web"},  # for the type checker only: there is no such module
}


def part(module):
    """The part of the package that a module belongs to: `otp_app.web.body` -> `web`."""
    return module.removeprefix("otp_app").removeprefix(".").split(".")[0] or "__init__"


def room(module):
    """The folder of an API, a provider or a store, "" elsewhere: those of one kind know nothing of each other."""
    kind, _, rest = module.removeprefix("otp_app.").partition(".")
    name = rest.partition(".")[0]
    has_rooms = kind in {"apis", "channels", "stores"} and name
    return f"{kind}.{name}" if has_rooms and (PACKAGE / kind / name).is_dir() else ""


def own_imports(module):
    """What a module imports of the package, what runs late or for types alone too."""
    return {name for name in imports(MODULES[module]) if name.split(".")[0] == "otp_app"}


def against_the_list(module):
    """Imports from above, from beside, and of a neighbour's room."""
    here = part(module)
    for name in sorted(own_imports(module)):
        beside = part(name) == here and room(name) != room(module) and room(name) and room(module)
        above = part(name) != here and FLOOR[part(name)] <= FLOOR[here]
        if beside or above:
            yield name


def test_there_is_a_floor_for_every_part():
    """And no floor for a part that is gone."""
    assert {part(module) for module in MODULES} == set(FLOOR)


def test_imports_point_downward():
    """A module imports its own part and those below it: a store knows no channel, and the core only itself."""
    found = {module: list(against_the_list(module)) for module in MODULES}
    assert {module: names for module, names in found.items() if names} == {}


def test_packages_of_others_have_their_place():
    """Flask is known to the web only, Twilio to its channels; the core needs phonenumbers and msgspec only."""
    for module in MODULES:
        outside = {name.split(".")[0] for name in imports(MODULES[module])} - sys.stdlib_module_names - {"otp_app"}
        here = {part(module), room(module), module.removeprefix("otp_app.")}
        assert [name for name in sorted(outside) if not OUTSIDE.get(name, set()) & here] == [], module


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


SECRETS = {"attempt", "guess", "otp", "test_code", "digest", "secret"}


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
