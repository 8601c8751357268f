"""The file of templates: what it may say, and each fault with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from otp_app import startup
from otp_app.apis.notifications.template_file import MAX_SIZE, read
from otp_app.core.notification_templates import Template, digit_groups
from tests.running import KEYS

Write = Callable[..., str]


def faults(path: str) -> list[str]:
    with pytest.raises(ValueError) as raised:
        read(path)
    return str(raised.value).splitlines()


def test_a_whole_file_is_read(templates: Write) -> None:
    found = read(templates())
    shipped = found.by_name["order_shipped"]
    assert shipped.rendered({"number": "7"}, "es-AR") == "Tu pedido 7 está en camino."
    assert shipped.rendered({"number": "7"}, "") == "Your order 7 is on its way."
    assert shipped.approved
    assert shipped.approved.content({"number": "7"}, "pt").variables == {"1": "7"}
    assert (found.lines["order_shipped"], found.lines["closed"]) == (2, 11)
    assert "order" not in repr(found)


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    """Some editors of Windows write one."""
    (tmp_path / "marked").write_text('[a]\nsms = "Hello"\n', encoding="utf-8-sig")
    assert read(f"{tmp_path}/marked").by_name == {"a": Template("Hello")}


def test_braces_can_be_written(templates: Write) -> None:
    (template,) = read(templates('[a]\nsms = "{{{x}}}"')).by_name.values()
    assert template.rendered({"x": "{y}"}, "") == "{{y}}"


HX = '"HX' + "1" * 32 + '"'
FAULTY = {
    '[a]\nsms = "x\n': "line 2: ",
    '[a]\nsms = "x"\n[a]\nsms = "y"': "line 3: ",
    '[a]\nsms = "x"\n\n[b]\nsms = """': "line 5: ",
    "": "it has no template",
    "# nothing\n": "it has no template",
    '\n[Ab]\nsms = "x"': "line 2: Ab is no name",
    'a = "x"': "line 1: a is no table",
    "[a]\n": "line 1: a has neither sms nor whatsapp",
    '[a]\n\nsms = ""': "line 3: a.sms is empty",
    "[a]\nsms = 5": "line 2: a.sms must be a text",
    '[a]\nsms = "x"\ntext = "y"': "line 3: a.text is not known",
    '[a]\nsms = "{"': "line 2: a.sms has a brace without its partner",
    '[a]\nsms = "x {}"': "line 2: a.sms has something else between braces",
    '[a]\nsms = "{x!r}"': "line 2: a.sms has something else between braces",
    '[a]\nsms = "{x.y}"': "line 2: a.sms has something else between braces",
    '[a]\nsms = "{x[0]}"': "line 2: a.sms has something else between braces",
    '[a]\nsms = "{X}"': "line 2: a.sms has something else between braces",
    f'[a]\nsms = "{"x" * 1601}"': "line 2: a.sms is longer than 1600 characters",
    f'[a]\nsms = "{"😀" * 801}"': "line 2: a.sms is longer than 1600 characters",
    '[a]\nsms = "x"\nsms_by_locale = { "e!" = "y" }': "line 3: a.sms_by_locale.e! is no language tag",
    '[a]\nsms = "x"\n[a.sms_by_locale]\npt-BR = "x"\npt_br = "y"': "line 5: a.sms_by_locale.pt_br stands twice",
    '[a]\nsms = "{x}"\nsms_by_locale = { es = "{z}" }': "line 3: a.sms_by_locale.es has {z}, which sms has not",
    '[a]\nsms = "x"\nsms_by_locale = { es = "" }': "line 3: a.sms_by_locale.es is empty",
    '[a]\nsms = "x"\nsms_by_locale = { es = 1 }': "line 3: a.sms_by_locale.es must be a text",
    '[a]\nsms_by_locale = { es = "y" }': "line 2: a.sms_by_locale needs sms",
    '[a]\nwhatsapp = "HX"': "line 2: a.whatsapp must be a table",
    "[a]\n[a.whatsapp]\n": "line 2: a.whatsapp has no content_sid",
    '[a.whatsapp]\ncontent_sid = "HX1"': "line 2: a.whatsapp.content_sid must be HX",
    f"[a.whatsapp]\ncontent_sid = {HX}\nsid = 1": "line 3: a.whatsapp.sid is not known",
    f'[a.whatsapp]\ncontent_sid = {HX}\ncontent_sid_by_locale = {{ es = "x" }}': "line 3: a.whatsapp.content_sid_by",
    f'[a.whatsapp]\ncontent_sid = {HX}\nvariables = {{ "1" = "" }}': "line 3: a.whatsapp.variables.1 must be the name",
    f'[a.whatsapp]\ncontent_sid = {HX}\nvariables = {{ "{{1}}" = "x" }}': "line 3: a.whatsapp.variables.{1} is no",
}


@pytest.mark.parametrize(("text", "fault"), FAULTY.items(), ids=FAULTY.values())
def test_a_fault_has_its_line(templates: Write, text: str, fault: str) -> None:
    assert [line[: len(fault)] for line in faults(templates(text))] == [fault]


def test_all_faults_are_said_at_once(templates: Write) -> None:
    found = faults(templates('[a]\nsms = ""\n[b]\nsms = "{"\n[c]\n'))
    assert [line.partition(":")[0] for line in found] == ["line 2", "line 4", "line 5"]


def test_what_is_no_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"#" * (MAX_SIZE + 1))
    (tmp_path / "latin").write_bytes(b"[a]\nsms = 'caf\xe9'")
    assert faults(f"{tmp_path}/none") == ["it cannot be read (No such file or directory)"]
    assert faults(str(tmp_path)) == ["it is no file"]
    assert faults(f"{tmp_path}/long") == [f"it has more than {MAX_SIZE} bytes"]
    assert faults(f"{tmp_path}/latin") == ["line 2: write it in UTF-8"]


def started(tmp_path: Path, path: str, **more: str) -> list[str]:
    """The faults of a start."""
    given = {"OTP_STORE_URL": f"sqlite:///{tmp_path}/otp.db", "OTP_TEMPLATES_FILE": path} | more
    try:
        startup.load(given, tmp_path)
    except startup.BadSettings as error:
        return error.faults
    return []


def test_a_start_names_each_fault_with_its_line(tmp_path: Path, templates: Write) -> None:
    assert started(tmp_path, templates()) == []
    found = started(tmp_path, templates('[a]\nsms = ""\n[b]\nsms = "{"'))
    assert [line[:28] for line in found] == ["OTP_TEMPLATES_FILE: line 2: ", "OTP_TEMPLATES_FILE: line 4: "]


def test_a_template_that_no_channel_can_send_prevents_the_start(tmp_path: Path, templates: Write) -> None:
    path = templates(f'[a]\nsms = "x"\n\n[b.whatsapp]\ncontent_sid = {HX}')
    assert started(tmp_path, path) == [
        "OTP_TEMPLATES_FILE: line 4: b has nothing for the channels of OTP_CHANNELS"
    ]


def test_a_text_of_several_sms_is_advised_of(tmp_path: Path, templates: Write) -> None:
    """Its variables come on top, so what is counted is the least that it takes; WhatsApp counts no SMS."""
    path = templates(f'[a]\nsms = "{"x" * 160}{{b}}"\nsms_by_locale = {{ es = "ó{"x" * 70}{{b}}" }}\n[c]\nsms = "x"')
    given = {"OTP_STORE_URL": f"sqlite:///{tmp_path}/otp.db", "OTP_TEMPLATES_FILE": path}
    lines = startup.advice(startup.load(given, tmp_path))
    (line,) = (line for line in lines if line.startswith("OTP_TEMPLATES_FILE"))
    assert line.startswith("OTP_TEMPLATES_FILE: line 1: a in es takes 2 SMS without its variables: 71 characters, ")
    assert line.endswith("because ó (U+00F3) is not in GSM-7")


def test_a_store_without_jobs_prevents_the_start(tmp_path: Path, templates: Write) -> None:
    (fault,) = started(tmp_path, templates(), OTP_STORE_URL="tests.shared_store:NetworkStore", **KEYS)
    assert fault.startswith("OTP_STORE_URL: this store keeps no jobs")


# ---- groups of digits


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["123456"], ["123456"]), (["12 34 56"], ["123456"]), (["12-34\u201156"], ["123456"]), (["1234567"], []),
        (["123", "456"], ["123456"]), (["123.456"], []), (["a123456b"], ["123456"]), (["123\u200b456"], ["123456"]),
        (["\uff11\uff12\uff13\uff14\uff15\uff16"], ["123456"]), (["١٢٣٤٥٦"], ["123456"]), (["①②③④⑤⑥"], ["123456"]),
        (["12 3456 78"], ["123456", "345678"]), ([], []), (["1 2 3 4 5 6 7"], ["123456", "234567"]),
    ],
    ids=str,
)  # fmt: skip
def test_digits_are_read_as_a_person_reads_them(values: list[str], found: list[str]) -> None:
    assert list(digit_groups(values, [6])) == found
