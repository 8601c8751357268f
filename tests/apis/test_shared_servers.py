"""The servers of gRPC and of Connect share the codes of all other APIs."""

from collections.abc import Iterator
from itertools import product

import pytest

from tests.apis.grpc.calling import Client
from tests.apis.grpc.running import RunningGrpc
from tests.apis.test_shared_codes import APIS, Site
from tests.apis.users.conftest import User, serving_users

pytestmark = pytest.mark.slow

OWN = ("grpc", "connect")
PAIRS = [pair for pair in product((*APIS, *OWN), repeat=2) if set(pair) & set(OWN)]


class Sites(Site):
    """Both servers, of one store; the number of each user has an account."""

    grpc: Client

    def rpc(self, name: str, user: User, **fields: str) -> int:
        return self.post(f"/auth.AuthService/{name}", phone_number=user.number, **fields).status

    def new_user(self) -> User:
        user = self.users.user()
        assert self.rpc("SignupWithPhoneNumber", user) == 200
        assert self.rpc("VerifyPhoneNumber", user, otp=self.users.provider.code(user.number)) == 200
        return user

    def send_by(self, api: str, user: User) -> str:
        if api == "grpc":
            assert self.grpc.send(user.number).success
        elif api == "connect":
            assert self.rpc("LoginWithPhoneNumber", user) == 200
        else:
            self.sent(api, user)
        return self.users.provider.code(user.number)

    def accepts(self, api: str, user: User, code: str) -> bool:
        if api == "grpc":
            return self.grpc.verify(user.number, code).success
        if api == "connect":
            return self.rpc("LoginWithPhoneNumber", user, otp=code) == 200
        return super().accepts(api, user, code)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Servers without gaps and caps, so that a number may have several codes at once."""
    folder = tmp_path_factory.mktemp("servers")
    settings = {
        "OTP_APIS": ",".join((*APIS, "connect")), "DATABASE_URL": f"sqlite:///{folder}/accounts.db",
        "OTP_RESEND_GAPS": "", "OTP_SENDS_PER_HOUR": "0",
    }  # fmt: skip
    with (
        serving_users(folder, **settings) as users,
        RunningGrpc(folder, **users.server.environment) as grpc,
        grpc.client() as client,
    ):
        site = Sites(users)
        site.grpc = client
        yield site


@pytest.mark.parametrize(("sender", "checker"), PAIRS)
def test_a_code_is_good_at_every_server_and_once(sites: Sites, sender: str, checker: str) -> None:
    """Whoever sent it; what one approved is used for all."""
    user = sites.new_user()
    code = sites.send_by(sender, user)
    if checker == "phone" != sender:
        assert sites.send_by("phone", user) == code
    assert not sites.accepts(checker, user, f"{(int(code) + 1) % 10**6:06}")
    assert sites.accepts(checker, user, code)
    assert [api for api in (*APIS, *OWN) if sites.accepts(api, user, code)] == []
