"""What the view of this API works with, beside what all APIs do."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Addresses:
    """The numbers that people write to (E.164; "" where there is none), and the name of the application."""

    app: str
    whatsapp: str
    sms: str

    def text(self, word: str, purpose: str) -> str:
        """Return the message that a phone is to send. Whoever is talked into sending it can read what it is for."""
        whose = f" for {self.app}" if self.app else ""
        return f"I confirm my phone number{whose} ({purpose}) with {word}. I started this myself."

    def links(self, text: str) -> dict[str, str]:
        """Return the links that open this message on a phone, by channel."""
        said = quote(text, safe="")
        links = {"whatsapp": f"https://wa.me/{self.whatsapp.removeprefix('+')}?text={said}"}
        return links | ({"sms": f"sms:{self.sms}?body={said}"} if self.sms else {})
