"""Every route has a guard."""


import pytest

from otp_app.apis import APIS
from otp_app.apis.connect.sessions import SESSION
from otp_app.apis.operator.access import SESSION as OPERATOR
from otp_app.apis.verify_v2.accounts import ACCOUNT
from otp_app.proof import new_key
from otp_app.serving.app import create_app
from otp_app.settings.types import SCOPES
from otp_app.web.access import Access
from otp_app.wiring import build
from tests.configuration import make_settings
from tests.running import ROOT

#: method and path -> what its caller needs. The whole API: a new route is a new row here.
ROUTES = {
    "POST /send-otp": Access("send", public=True),
    "POST /resend-otp": Access("send", public=True),
    "POST /verify-otp": Access("verify", public=True),
    "GET /verifications/<verification_id>": Access("verify"),
    "DELETE /verifications/<verification_id>": Access("verify"),
    "POST /verifications/inbound": Access("send", public=True),
    "POST /send-code": Access("send"),
    "POST /verify-code": Access("verify"),
    "POST /api/phone/register": Access("send", public=True),
    "POST /api/phone/verify": Access("verify", public=True),
    "POST /v2/Services/<service_sid>/Verifications": Access("send", credentials=ACCOUNT),
    "GET /v2/Services/<service_sid>/Verifications/<name>": Access("verify", credentials=ACCOUNT),
    "POST /v2/Services/<service_sid>/Verifications/<name>": Access("verify", credentials=ACCOUNT),
    "POST /v2/Services/<service_sid>/VerificationCheck": Access("verify", credentials=ACCOUNT),
    "POST /auth.AuthService/SignupWithPhoneNumber": Access("send"),
    "POST /auth.AuthService/VerifyPhoneNumber": Access("verify", public=True),
    "POST /auth.AuthService/LoginWithPhoneNumber": Access("send", public=True),
    "POST /auth.AuthService/ValidatePhoneNumberLogin": Access("verify"),
    "POST /auth.AuthService/ChangePhoneNumber": Access("send", credentials=SESSION),
    "POST /auth.AuthService/DeleteAccount": Access("send", credentials=SESSION),
    "POST /auth.AuthService/GetProfile": Access("verify", credentials=SESSION),
    "POST /auth.AuthService/UpdateProfile": Access("verify", credentials=SESSION),
    "POST /auth.AuthService/Logout": Access("verify", credentials=SESSION),
    "POST /auth.AuthService/ListSessions": Access("verify", credentials=SESSION),
    "POST /auth.AuthService/RevokeSession": Access("verify", credentials=SESSION),
    "POST /auth.AuthService/ListActivity": Access("verify", credentials=SESSION),
    "POST /otp.OtpService/GenerateOtp": Access("send", public=True),
    "GET /v2/Services": Access("verify", credentials=ACCOUNT),
    "POST /v2/Services": Access("verify", credentials=ACCOUNT),
    "GET /v2/Services/<sid>": Access("verify", credentials=ACCOUNT),
    "POST /v2/Services/<sid>": Access("verify", credentials=ACCOUNT),
    "DELETE /v2/Services/<sid>": Access("verify", credentials=ACCOUNT),
    "GET /v2/Attempts": Access("verify", credentials=ACCOUNT),
    "GET /v2/Attempts/Summary": Access("verify", credentials=ACCOUNT),
    "GET /v2/Attempts/<sid>": Access("verify", credentials=ACCOUNT),
    "POST /notifications": Access("notify"),
    "POST /notifications/batch": Access("notify"),
    "GET /notifications/<notification_id>": Access("notify"),
    "POST /callbacks/twilio/status/<verification_id>/<send_id>": Access(None, callback=True),
    "POST /callbacks/twilio/inbound": Access(None, callback=True),
    "GET /operator": Access("admin", credentials=OPERATOR, page=True),
    "GET /operator/verifications/<verification_id>": Access("admin", credentials=OPERATOR, page=True),
    "GET /operator/keys": Access("admin", credentials=OPERATOR, page=True),
    "POST /operator/search": Access("admin", credentials=OPERATOR, page=True),
    "POST /operator/cancel": Access("admin", credentials=OPERATOR, page=True),
    "POST /operator/block": Access("admin", credentials=OPERATOR, page=True),
    "POST /operator/unblock": Access("admin", credentials=OPERATOR, page=True),
    "POST /operator/reset": Access("admin", credentials=OPERATOR, page=True),
    "POST /operator/logout": Access("admin", credentials=OPERATOR, page=True),
    "GET /operator/login": Access(None, page=True),
    "POST /operator/login": Access(None, page=True),
    "GET /operator/static/<name>": Access(None, page=True),
    "GET /": Access(None),
    "GET /demo": Access("verify", public=True, page=True),
    "POST /demo/send": Access("send", public=True, page=True),
    "POST /demo/check": Access("verify", public=True, page=True),
    "POST /demo/status": Access("verify", page=True),
    "GET /static/<name>": Access(None, page=True),
    "GET /openapi.json": Access(None),
    "GET /docs": Access(None),
    "GET /docs/plain": Access(None),
    "GET /docs/<name>": Access(None, page=True),
    "GET /redoc": Access(None),
    "GET /.well-known/jwks.json": Access(None),
    "GET /healthz": Access(None),
    "GET /readyz": Access("metrics"),
    "GET /metrics": Access("metrics"),
}


@pytest.fixture
def app(tmp_path):
    given = {"otp_apis": tuple(APIS), "otp_directory_url": "users.csv", "otp_proof_keys": new_key("HS256")}
    given["otp_public_url"], given["otp_templates_file"] = "https://otp.example.com", f"{tmp_path}/templates.toml"
    (tmp_path / "templates.toml").write_text('[hello]\nsms = "Hello"\n', encoding="ascii")
    services = build(make_settings(otp_store_url="memory://", **given))
    yield create_app(services=services)
    services.close()


def routes(app):
    return {
        f"{method} {rule.rule}": app.view_functions[rule.endpoint]
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


def test_every_view_says_what_it_needs(app):
    """@requires stands at each; guard refuses one without."""
    assert [route for route, view in routes(app).items() if not isinstance(getattr(view, "access", None), Access)] == []


def test_each_route_needs_what_the_list_says(app):
    """Nothing opens, or opens wider, unseen."""
    assert {route: view.access for route, view in routes(app).items()} == ROUTES


def test_few_routes_are_for_everybody(app):
    """Whatever the settings are: whether a process answers, what is served, and with which keys proofs are checked.

    And what Twilio has signed, and the log-in of operators.
    """
    everybodys = {"GET /healthz", "GET /docs", "GET /redoc", "GET /openapi.json", "GET /.well-known/jwks.json"}
    everybodys |= {"GET /", "GET /static/<name>"}
    everybodys |= {"GET /operator/login", "POST /operator/login", "GET /operator/static/<name>"}
    everybodys |= {"GET /docs/plain", "GET /docs/<name>"}
    everybodys |= {"POST /callbacks/twilio/status/<verification_id>/<send_id>", "POST /callbacks/twilio/inbound"}
    assert {route for route, view in routes(app).items() if view.access.scope is None} == everybodys


def test_every_scope_is_one_that_a_key_can_have(app):
    """Or nobody could ever come in."""
    assert {view.access.scope for view in routes(app).values()} - {None} <= set(SCOPES)


def test_every_scope_opens_something(app):
    """A key with a scope that no route knows would be a promise of nothing."""
    assert {view.access.scope for view in routes(app).values()} >= set(SCOPES)


def test_every_route_is_in_the_documents():
    """A page of docs/ names each."""
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    paths = {route.split()[1].partition("<")[0] for route in ROUTES}
    assert {path for path in paths if path not in text} == set()
