"""Several models of settings, read together."""

import sys
from typing import Annotated

import pytest
from msgspec import Meta

from otp_app.settings.environment import MISREAD, TO_SEPARATE, Configuration, Reader
from otp_app.settings.model import Model, Setting


class Shop(Model, frozen=True, kw_only=True):
    otp_shop_name: Annotated[str, Meta(max_length=5), Setting("Its name.")] = "shop"
    otp_shop_key: Annotated[str, Setting("Its key.", secret=True)] = ""


class Desk(Model, frozen=True, kw_only=True):
    otp_desk_number: Annotated[int, Meta(ge=1, le=9), Setting("Its number.")] = 1


def named_after_the_desk(given):
    """The desk's number is the shop's name; a desk of 13 is a fault."""
    if given.get("otp_desk_number") == "13":
        return {}, {"OTP_DESK_NUMBER": "13 is no desk"}
    return {"otp_shop_name": given["otp_desk_number"]} if "otp_desk_number" in given else {}, {}


def test_each_model_has_its_settings(tmp_path):
    found, faults = Reader((Shop, Desk)).read({"OTP_SHOP_NAME": "x", "OTP_DESK_NUMBER": "2"}, tmp_path)
    assert (found.of(Shop), found.of(Desk), faults) == (Shop(otp_shop_name="x"), Desk(otp_desk_number=2), {})


def test_the_faults_of_all_models_are_found_at_once(tmp_path):
    """By variable, with what to write; a faulty setting has its default."""
    found, faults = Reader((Shop, Desk)).read({"OTP_SHOP_NAME": "longer", "OTP_DESK_NUMBER": "0"}, tmp_path)
    assert faults == {
        "OTP_SHOP_NAME": "write at most 5 characters",
        "OTP_DESK_NUMBER": "write a whole number from 1 to 9",
    }
    assert found == Configuration({Shop: Shop(), Desk: Desk()})


def test_a_name_of_another_model_is_known(tmp_path):
    """A name is judged by all models that are read, and the nearest name of any is proposed."""
    (tmp_path / ".env").write_text("OTP_DESK_NUMBER=2\n")
    assert Reader((Shop, Desk)).read({}, tmp_path)[1] == {}
    assert "there is no such setting" in Reader((Shop,)).read({}, tmp_path)[1][".env"]
    (line,) = Reader((Shop, Desk)).unknown_names({"OTP_DESK_NUMBR": "2", "OTP_SHOP_NAME": "x"})
    assert line.endswith("did you mean OTP_DESK_NUMBER?")


def test_a_setting_may_follow_from_another_one(tmp_path):
    """Of another model too; one that is given wins, and what is wrong with it is a fault of the given one."""
    reader = Reader((Shop, Desk), (named_after_the_desk,))
    assert reader.read({"OTP_DESK_NUMBER": "2"}, tmp_path)[0].of(Shop).otp_shop_name == "2"
    assert reader.read({"OTP_DESK_NUMBER": "2", "OTP_SHOP_NAME": "x"}, tmp_path)[0].of(Shop).otp_shop_name == "x"
    assert reader.texts({"OTP_DESK_NUMBER": "13"}, tmp_path)[1] == {"OTP_DESK_NUMBER": "13 is no desk"}


def test_what_follows_is_seen_by_those_asked_later(tmp_path):
    seen = []
    Reader((Shop, Desk), (named_after_the_desk, lambda given: (seen.append(dict(given)) or {}, {}))).read(
        {"OTP_DESK_NUMBER": "2"}, tmp_path
    )
    assert seen == [{"otp_desk_number": "2", "otp_shop_name": "2"}]


def test_a_setting_has_one_model():
    """Two models with one name would read it in two ways."""
    with pytest.raises(ValueError, match="OTP_SHOP_NAME"):
        Reader((Shop, Shop))


def test_a_repr_has_no_secret_of_any_model(tmp_path):
    found, _ = Reader((Shop, Desk)).read({"OTP_SHOP_KEY": "s3cret"}, tmp_path)
    assert found.of(Shop).otp_shop_key == "s3cret"
    assert "otp_shop_name" in repr(found)
    assert "s3cret" not in repr(found)


def test_a_setting_within_a_variable_of_others_is_a_fault(tmp_path):
    """The quote of that one was not closed in a file of systemd's, so the setting would be lost."""
    reader, lost = Reader((Shop, Desk)), {"CERT": "/x\nOTP_DESK_NUMBER=2\n A=1"}
    (fault,) = reader.texts(lost, tmp_path)[1].items()
    assert fault == ("CERT", "it holds OTP_DESK_NUMBER: " + TO_SEPARATE)
    assert reader.texts(lost | {"OTP_DESK_NUMBER": "2"}, tmp_path)[1] == {}  # a copy of what is set is nobody's loss
    assert reader.texts({"BASH_FUNC_f%%": "() {\nOTP_DESK_NUMBER=2\n}", "A": "-e OTP_SHOP_KEY=1"}, tmp_path)[1] == {}


@pytest.mark.parametrize("value", ["/etc/sslOTP_DESK_NUMBER=2", "-a -b OTP_DESK_NUMBER=2", "OTP_DESK_NUMBER=2"])
def test_a_setting_that_was_joined_to_a_variable_of_others_is_a_fault(value, tmp_path):
    """By a backslash at the end of its line, which systemd takes away together with the line break."""
    reader = Reader((Shop, Desk))
    assert reader.texts({"CERT": value}, tmp_path)[1] == {"CERT": "it holds OTP_DESK_NUMBER: " + TO_SEPARATE}
    assert reader.texts({"CERT": f"{value} and more"}, tmp_path)[1] == {}  # words about it, or a command
    assert reader.texts({"ARGS": "--env=OTP_DESK_NUMBER=2"}, tmp_path)[1] == {}


@pytest.mark.parametrize("encoding", ["iso8859-1", "ascii"])
def test_letters_that_the_locale_misreads_are_a_fault(encoding, tmp_path, monkeypatch):
    """They were written in UTF-8, so that messages would have others. `.env` is read as UTF-8 in every locale."""
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: encoding)
    reader, given = Reader((Shop, Desk)), {"OTP_SHOP_NAME": "é".encode().decode(encoding, "surrogateescape")}
    assert reader.read(given, tmp_path)[1] == {"OTP_SHOP_NAME": MISREAD}
    assert reader.read({"OTP_SHOP_NAME": "e"}, tmp_path)[1] == {}
    (tmp_path / ".env").write_text("OTP_SHOP_NAME=é", encoding="utf-8")
    found, faults = reader.read({}, tmp_path)
    assert (found.of(Shop).otp_shop_name, faults) == ("é", {})


def test_variables_of_others_are_looked_at_once(tmp_path):
    """Kubernetes gives a process seven for each service of its namespace, which may be thousands."""

    class Counted(dict):
        walks = 0

        def __iter__(self):
            self.walks += 1
            return super().__iter__()

    environ = Counted((f"SHOP{n}_PORT", "tcp://10.0.0.1:80") for n in range(50))
    assert Reader((Shop, Desk)).read(environ, tmp_path)[1] == {}
    assert environ.walks < 5
