"""GET /openapi.json: the document, who may call, and what may be asked."""

import json
import re
import shutil

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from otp_app.apis import APIS
from otp_app.apis.inbound import fields as inbound
from otp_app.apis.native import fields as native
from otp_app.apis.notifications import fields as notifications
from otp_app.apis.phone import fields as phone
from otp_app.apis.users import fields as users
from otp_app.web import openapi
from tests.web.documented import (
    ACCOUNTS,
    ENDPOINTS,
    KEYS,
    PROOF_KEYS,
    WHOLE,
    assert_documented,
    endpoints_with_body,
    resolve,
)
from tests.web.site import api_key

# ---- the document


def test_it_is_openapi_3_1(everything):
    OpenAPIV31SpecValidator(everything.call("GET", "/openapi.json").json).validate()


@pytest.mark.parametrize("api", sorted(APIS))
def test_each_api_has_a_whole_document_alone(open_all, api):
    """Nothing in it refers to an API that is not served."""
    document = open_all(otp_apis=(api,), otp_proof_keys="").call("GET", "/openapi.json").json
    OpenAPIV31SpecValidator(document).validate()
    for reference in set(re.findall(r'"(#/[^"]*)"', json.dumps(document))):
        openapi.resolve(document, {"$ref": reference})  # raises KeyError where there is no such thing


def test_readers_of_the_document_share_its_bytes(site):
    """A thousand slow ones hold it once."""
    answers = [site.call("GET", "/openapi.json").response for _ in range(2)]
    assert next(iter(answers[0])) is next(iter(answers[1]))


def routes(site):
    """Those for programs."""
    return {
        (method.lower(), openapi.VARIABLE.sub(r"{\1}", rule.rule))
        for rule in site.app.url_map.iter_rules()
        if not site.app.view_functions[rule.endpoint].access.page
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


@pytest.mark.parametrize("apis", [tuple(APIS), *((api,) for api in sorted(APIS))], ids=",".join)
@pytest.mark.parametrize("proofs", ["", PROOF_KEYS], ids=["no proofs", "proofs"])
def test_it_has_every_route_and_no_other(open_all, apis, proofs):
    """Those that this server serves, with their methods."""
    site = open_all(otp_apis=apis, otp_proof_keys=proofs)
    document = site.call("GET", "/openapi.json").json
    assert {(method, path) for method, path, _ in openapi.operations(document)} == routes(site)


def test_it_has_all_that_there_is(everything):
    """What these tests look at is what a server with everything says, but for who may call."""
    document = everything.call("GET", "/openapi.json").json
    for _, _, node in openapi.operations(document):
        node.pop("security")
    assert {**document, "tags": 0} == {**WHOLE, "tags": 0}


def test_an_api_without_a_fragment_is_not_in_it(open_all, monkeypatch, tmp_path):
    """An API can be taken away with its fragment, or before it has one."""
    shutil.copytree(openapi.APIS, tmp_path / "apis")
    (tmp_path / "apis/users/openapi.json").unlink()
    monkeypatch.setattr(openapi, "APIS", tmp_path / "apis")
    paths = open_all().call("GET", "/openapi.json").json["paths"]
    assert "/send-otp" in paths
    assert "/send-code" not in paths


def test_it_is_made_once(everything, monkeypatch, tmp_path):
    first = everything.call("GET", "/openapi.json").data
    monkeypatch.setattr(openapi, "APIS", tmp_path)
    assert everything.call("GET", "/openapi.json").data == first


def test_every_operation_has_a_name_of_its_own():
    names = [endpoint.node["operationId"] for endpoint in ENDPOINTS]
    assert len(set(names)) == len(names)


def test_it_is_read_with_whatever_methods_it_has():
    """And with nothing else that a path may say of itself."""
    paths = {"/a": {"summary": "", "parameters": [], "put": {}, "patch": {}}, "/b": {"delete": {}}}
    found = [(method, path) for method, path, _ in openapi.operations({"paths": paths})]
    assert found == [("put", "/a"), ("patch", "/a"), ("delete", "/b")]


# ---- who may call


@pytest.mark.parametrize(
    ("keys", "public"), [("", False), (KEYS, False), (KEYS, True)], ids=["no keys", "keys", "public"]
)
def test_it_says_who_may_call(open_all, keys, public):
    """A request that shows nothing is let in by exactly the operations that say so."""
    accounts = ACCOUNTS if keys else ""
    site = open_all(otp_api_keys=keys, otp_public=public, otp_verify_accounts=accounts)
    for endpoint, security in secured(site):
        answer = endpoint.ask(site, headers={"Authorization": ""})
        assert (answer.status_code != 401) == (security == [] or {} in security), endpoint
        assert_documented(endpoint, answer)


@pytest.mark.parametrize("scope", ["send", "verify", "metrics", "notify", "admin"])
def test_it_says_which_scope_lets_in(open_all, scope):
    site = open_all(otp_api_keys=f"{KEYS},{api_key('other', scope, 'other')}")
    for endpoint, security in secured(site):
        wanted = {scope for choice in security for scope in choice.get("bearer", [])}
        if security not in ([{"basic": []}], [{"session": []}]):
            answer = endpoint.ask(site, headers={"Authorization": "Bearer other"})
            assert (answer.status_code == 403) == bool(wanted and scope not in wanted), endpoint
            assert_documented(endpoint, answer)


def secured(site):
    """Each operation, with what its document says of who may call."""
    document = site.call("GET", "/openapi.json").json
    return [(endpoint, document["paths"][endpoint.path][endpoint.method]["security"]) for endpoint in ENDPOINTS]


# ---- what may be asked: no limit of a model is missing, and none is made up

MODELS = {
    "Send": native.SendFields, "Resend": native.SendFields, "Verify": native.VerifyFields,
    "UserFields": users.UserFields, "CheckFields": users.CheckFields, "Register": phone.RegisterFields,
    "VerifyPhone": phone.VerifyFields, "AwaitMessage": inbound.InboundFields,
    "Notification": notifications.NotificationFields, "NotificationRecipient": notifications.RecipientFields,
}  # fmt: skip
#: fields that a model has for another request
IDLE = {"Send": {"verification_id"}}
#: what the document says more than a model
WORDS = ("title", "description", "default", "anyOf")


def limits(field):
    """The type and limits of a field that is there. null is what the models take for absent, or not at all."""
    field = next((kind for kind in field.get("anyOf", []) if kind["type"] != "null"), {}) | field
    found = {name: value for name, value in field.items() if name not in WORDS}
    if "pattern" in found:
        found["pattern"] = found["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
    return found


@pytest.mark.parametrize("name", MODELS)
def test_a_request_is_what_its_model_takes(name):
    """The same fields, of the same types, with the same limits."""
    model = msgspec.json.schema_components([MODELS[name]])[1][MODELS[name].__name__]
    taken = {field: limits(schema) for field, schema in model["properties"].items() if field not in IDLE.get(name, ())}
    shown = {field: limits(schema) for field, schema in WHOLE["components"]["schemas"][name]["properties"].items()}
    assert shown == taken
    assert set(model.get("required", [])) <= set(WHOLE["components"]["schemas"][name].get("required", []))


@endpoints_with_body
def test_what_is_required_is_required(unharmed, endpoint):
    """Without any one of these fields the same request is refused."""
    required = resolve(WHOLE, endpoint.media[1]["schema"]).get("required", [])
    for name in required:
        less = {field: value for field, value in endpoint.bodies()[0].items() if field != name}
        assert_documented(endpoint, endpoint.ask(unharmed, less), 400, 422)
