"""How texts of settings become values."""

from datetime import date
from ipaddress import IPv4Network, IPv6Network

import pytest

from otp_app.settings import types

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(("text", "found"), [("", ()), ("a", ("a",)), (" a , b ", ("a", "b")), ("a,,b,", ("a", "b"))])
def test_a_list_has_commas(text, found):
    """Blanks around names and empty places do not count."""
    assert types.names(text) == found


@pytest.mark.parametrize(("text", "found"), [
    ("", {}), ("US:sms", {"US": ("sms",)}),
    (" in: whatsapp , sms ;US:sms; ", {"IN": ("whatsapp", "sms"), "US": ("sms",)}),
    ("US:a.b:C,sms", {"US": ("a.b:C", "sms")}),
])  # fmt: skip
def test_a_route_has_countries_and_channels(text, found):
    """A class of an operator is named as in OTP_CHANNELS."""
    assert types.routes(text) == found


@pytest.mark.parametrize("text", [
    "US", "US:", ":sms", "US:sms,sms", "US:sms;us:whatsapp", "US,IN:sms", "all:sms", "XX:sms", "IM:sms", ";", "US=sms",
])  # fmt: skip
def test_what_is_no_route_is_refused(text):
    """Unknown countries, those that count as a neighbour, and anything twice."""
    with pytest.raises(ValueError, match="write"):
        types.routes(text)


@pytest.mark.parametrize(("text", "found"), [("0", 0), ("5", 5), ("300", 300), ("7.5", 7.5)])
def test_a_time_of_silence(text, found):
    """Within which a message can have arrived."""
    assert types.fallback_after(text) == found


@pytest.mark.parametrize("text", ["4.9", "301", "-1", "nan", "soon", ""])
def test_what_is_no_time_of_silence_is_refused(text):
    """The fault says the range."""
    with pytest.raises(ValueError, match="from 5 to 300"):
        types.fallback_after(text)


def test_a_key_has_name_scopes_and_digest():
    """As `keys new` prints it; several with commas."""
    found = types.api_keys(f"shop:send+verify:{DIGEST}, cron_1.a-b:metrics:{'f' * 64}")
    assert found == (
        types.ApiKey("shop", frozenset({"send", "verify"}), DIGEST),
        types.ApiKey("cron_1.a-b", frozenset({"metrics"}), "f" * 64),
    )


@pytest.mark.parametrize("text", [
    "shop", "shop:send", f"shop:{DIGEST}", f":send:{DIGEST}", f"shop::{DIGEST}", f"shop:send+:{DIGEST}",
    f"shop:everything:{DIGEST}", f"shop:send,verify:{DIGEST}", f"a shop:send:{DIGEST}", f"{'x' * 41}:send:{DIGEST}",
    f"shop:send:{DIGEST.upper()}", f"shop:send:{DIGEST}0", f"shop:send:{DIGEST[1:]}",
    f"shop:send:{DIGEST},shop:verify:{'f' * 64}", "otp_1a2b3c4d_the-key-itself",
])  # fmt: skip
def test_what_is_no_key_is_refused(text):
    """Unknown scopes, a name twice, or the key itself: reported without it."""
    with pytest.raises(ValueError) as error:
        types.api_keys(text)
    assert text not in str(error.value)


def test_a_test_number_has_a_code_and_a_last_day():
    (found,) = types.test_numbers("+15005550006=123456@2026-12-31")
    assert found == types.FixedUntil("+15005550006", "123456", date(2026, 12, 31))
    assert found.ends == 1_798_761_600  # 2027-01-01T00:00:00Z


@pytest.mark.parametrize("text", [
    "+15005550006", "+15005550006=123456", "15005550006=123456@2026-12-31", "+15005550006=12345@2026-12-31",
    "+15005550006=12345678901@2026-12-31", "+15005550006=12345a@2026-12-31", "+15005550006=123456@2026-13-31",
    "+15005550006=123456@2026-02-30", "+15005550006=123456@31.12.2026", "+1500=123456@2026-12-31",
    "+9990000000=123456@2026-12-31", "+150055500\uff106=123456@2026-12-31",
])  # fmt: skip
def test_what_is_no_test_number_is_refused(text):
    """A possible number, 6 to 10 digits and a day that exists; the fault shows how it is written."""
    with pytest.raises(ValueError, match=r"\+15005550006=123456@2026-12-31"):
        types.test_numbers(text)


def test_a_number_that_is_only_possible_will_do():
    (found,) = types.test_numbers("+11111111111=123456@2026-12-31")
    assert found.phone == "+11111111111"


def test_a_test_number_is_the_one_that_counts():
    """A line with two numbers has one code, however it is written in a request; two codes for it are a fault."""
    (found,) = types.test_numbers("+525512345678=123456@2026-12-31")
    assert types.test_numbers("+5215512345678=123456@2026-12-31") == (found,)
    assert types.test_numbers("+541123456789=123456@2026-12-31")[0].phone == "+5491123456789"
    with pytest.raises(ValueError, match="each number once"):
        types.test_numbers("+541123456789=123456@2026-12-31,+5491123456789=654321@2026-12-31")


@pytest.mark.parametrize(("text", "found"), [
    ("", set()), ("all", set()), ("ALL", set()), ("US", {"US"}), (" us,in ", {"US", "IN"}),
])  # fmt: skip
def test_countries_are_iso_codes(text, found):
    """In either case; all of them is an empty list."""
    assert types.countries(text) == found


NEIGHBOURS = {
    "AX": "FI", "BL": "GP", "CC": "AU", "CX": "AU", "EH": "MA", "IM": "GB", "MF": "GP", "SJ": "NO", "VA": "IT",
}  # fmt: skip


@pytest.mark.parametrize(("code", "neighbour"), NEIGHBOURS.items())
def test_a_region_that_no_mobile_number_is_of_is_refused(code, neighbour):
    """A server for it alone would serve nobody: its numbers count as the neighbour's, which is named."""
    with pytest.raises(ValueError, match=f"write {neighbour}$"):
        types.countries(f"US,{code}")


@pytest.mark.parametrize("text", ["https://a.example", "a.example:443", "*", "*.a.example", "a b", "a/", ".", "a..b"])
def test_what_no_host_header_names_is_refused(text):
    """Nothing would ever match it: the address of a page, a port, a star."""
    with pytest.raises(ValueError, match="host names alone"):
        types.hosts(f"b.example,{text}")


@pytest.mark.parametrize("text", ["USA", "U", "XX", "UK", "US;IN", "all,US", "001"])
def test_what_is_no_country_is_refused(text):
    """UK is GB: a country that nobody has would silently serve nobody."""
    with pytest.raises(ValueError, match="country code"):
        types.countries(text)


@pytest.mark.parametrize("text", ["", "1/second", "20/hour;60/day", "60/10minutes", "5 per minute", "5/minute, 9/day"])
def test_limits_have_flask_limiters_notation(text):
    assert types.rate_limits(text) == text


@pytest.mark.parametrize("text", ["20", "20/", "20/fortnight", "-1/day", "x/day", "1/day;", "0.5/day", "9/0 minutes"])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(ValueError, match="20/hour;60/day"):
        types.rate_limits(text)


def test_a_template_keeps_its_text():
    assert types.template("{minutes} {code} {app} {code}") == "{minutes} {code} {app} {code}"


@pytest.mark.parametrize("text", [
    "", "code", "{}", "{0}", "{code", "code}", "{code} {x}", "{code.__class__}", "{code[0]}", "{code!r}", "{code:d}",
    "{code:>9999}", "{code:{app}}",
])  # fmt: skip
def test_what_is_no_template_is_refused(text):
    """A template has the code as it is, and nothing that reaches into our objects or makes the text grow."""
    with pytest.raises(ValueError, match="the text"):
        types.template(text)


def test_texts_by_language_are_a_json_object():
    """Tags in lower case, since clients spell them as they like."""
    found = types.templates('{"es": "Tu código es: {code}", "pt-BR": "Seu código: {code}"}')
    assert found == {"es": "Tu código es: {code}", "pt-br": "Seu código: {code}"}


@pytest.mark.parametrize("text", [
    "{", "[]", '"es"', '{"es": 1}', '{"spanish": "{code}"}', '{"es": "x"}', '{"e": "{code}"}',
    '{"pt-BR": "{code}", "pt_br": "{code}"}', '{"es\\n": "{code}"}',
])  # fmt: skip
def test_what_is_no_text_by_language_is_refused(text):
    """Each text must be a template of its own, each tag a language's."""
    with pytest.raises(ValueError):
        types.templates(text)


@pytest.mark.parametrize(("text", "network"), [
    ("127.0.0.1", IPv4Network("127.0.0.1/32")), ("10.1.2.3/8", IPv4Network("10.0.0.0/8")),
    ("2001:db8::1", IPv6Network("2001:db8::1/128")), ("::ffff:10.0.0.0/104", IPv4Network("10.0.0.0/8")),
    ("::ffff:10.1.2.3", IPv4Network("10.1.2.3/32")), ("unix", "unix"), ("fc00::/7", IPv6Network("fc00::/7")),
])  # fmt: skip
def test_a_proxy_is_an_address_or_a_network(text, network):
    """Bits of the host part do not matter, IPv4 in IPv6 is IPv4, and unix is the peer of a Unix socket."""
    assert types.proxies(text) == (network,)


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.0/33", "10.0.0", "10.0.0.0/8/8", "*", "UNIX", "unix:/x"])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError, match="such as"):
        types.proxies(text)


@pytest.mark.parametrize("text", [
    "0.0.0.0/0", "::/0", "10.0.0.1/0", "unix,::ffff:0:0/96", "0.0.0.0/1,10.0.0.0/8,128.0.0.0/1", "::/1,8000::/1",
    "172.16.0.0/1", "10.0.0.0/7", "::ffff:10.0.0.0/103", "2000::/3", "fc00::/6",
    ",".join(f"{first}.0.0.0/8" for first in range(256)),
])  # fmt: skip
def test_not_all_addresses_are_proxies(text):
    """Nor a large part of them, as where a digit is missing, whether in one piece or in several: clients could write
    their own address.
    """  # fmt: skip
    with pytest.raises(ValueError, match="a network of all addresses"):
        types.proxies(text)


@pytest.mark.parametrize("text", [
    "https://otp.example.com", "https://otp.example.com:65535/a", "https://[2001:db8::1]:8443", "http://[::1]:5000",
])  # fmt: skip
def test_an_address_of_the_server_for_others(text):
    """As it is written, without a slash at its end."""
    assert types.public_url(f"{text}/") == text


@pytest.mark.parametrize("text", [
    "https://otp.example.com:65536", "https://otp.example.com:99999/a", "https://[::::]", "https://[.]:443",
    "https://[1.2.3.4]", "https://otp.example.com/..", "https://otp.example.com/./a", "https://otp.example.com/a/../b/",
])  # fmt: skip
def test_an_address_that_nobody_could_call_is_refused(text):
    """With such a port or address in it, the check of a forged receipt would fail on the address itself."""
    with pytest.raises(ValueError, match="write https"):
        types.public_url(text)


@pytest.mark.parametrize("text", ["", "https://twilio.example", "http://127.0.0.1:8001", "https://[::1]:65535"])
def test_an_address_without_a_path(text):
    """As it is written."""
    assert types.origin(text) == text


@pytest.mark.parametrize("text", [
    "https://twilio.example/", "https://twilio.example:99999", "https://twilio.example:0", "https://[::::]",
    "https://[1.2.3.4]:1", "ftp://twilio.example", "twilio.example", f"https://{'a' * 100}",
])  # fmt: skip
def test_what_is_no_address_without_a_path_is_refused(text):
    """A message to such a port would leave for nowhere, and count as one whose outcome is unknown."""
    with pytest.raises(ValueError, match="write https"):
        types.origin(text)
