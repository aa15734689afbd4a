"""Normal forms by which two records are known to be one person or company. Pure."""

import re
import unicodedata
from typing import Literal

import phonenumbers

MAX_EMAIL = 254  # RFC 5321 path limit
SHORTEST_PHONE = 7  # digits with the country's; what is shorter is a service or a slip
_EMAIL = re.compile(
    r"[^\s@,;<>()\[\]\"\\]{1,64}@([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)

# Stand-ins under a domain that exists for nobody (RFC 2606), for demos and tests.
FICTIONAL_FREE_MAIL = frozenset({"freemail.example", "mailbox.example"})
# Mailboxes that anyone can open; an address there says nothing about an employer.
FREE_MAIL = FICTIONAL_FREE_MAIL | frozenset(
    """
    gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.de yahoo.fr hotmail.com hotmail.co.uk
    hotmail.fr outlook.com outlook.de live.com msn.com aol.com icloud.com me.com mac.com gmx.de
    gmx.net gmx.at gmx.ch web.de t-online.de freenet.de proton.me protonmail.com mail.com mail.ru
    yandex.ru yandex.com qq.com 163.com 126.com naver.com orange.fr free.fr laposte.net libero.it
    virgilio.it seznam.cz wp.pl o2.pl bluewin.ch hey.com zoho.com fastmail.com tutanota.com
    """.split()
)


def clean_text(text: str) -> str:
    """Return NFC text without control, zero-width and direction characters, spaces trimmed.

    Lone surrogates, which no database stores, become the replacement character.
    """
    safe = text.encode("utf-8", "replace").decode("utf-8")
    return _CONTROL.sub("", unicodedata.normalize("NFC", safe)).strip()


def normal_email(text: str) -> str | None:
    """Return the address case-folded with its domain in IDNA form, or None when it is none.

    Dots and plus parts stay: providers differ in what they mean by them.
    """
    address = clean_text(text).removeprefix("mailto:").strip("<> ").casefold()
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    address = f"{local}@{domain}"
    if len(address) > MAX_EMAIL or not _EMAIL.fullmatch(address) or ".." in local:
        return None
    return address


def normal_phone(text: str, country: str) -> str | None:
    """Return the number in E.164, reading national forms as of `country` (ISO 3166 alpha-2)."""
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    e164: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164 if len(e164) > SHORTEST_PHONE else None


def normal_domain(text: str) -> str | None:
    """Return the bare host of a web address or domain, without `www.`, or None."""
    host = clean_text(text).casefold().split("://")[-1].split("/")[0].split("?")[0].split(":")[0]
    host = host.removeprefix("www.").rstrip(".")
    try:
        host = host.encode("idna").decode("ascii") if not host.isascii() else host
    except UnicodeError:
        return None
    return host if normal_email(f"x@{host}") else None


def email_kind(email: str | None) -> Literal["", "free", "own"]:
    """Say whether a normal address is at a free mail provider or an own domain; '' without one."""
    if not email:
        return ""
    return "free" if email.rpartition("@")[2] in FREE_MAIL else "own"


def normal_name(*parts: str) -> str:
    """Return a name's words case-folded and sorted, so that "Ito, Haruka" is "Haruka Ito"."""
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", " ".join(parts)).casefold())
    return " ".join(sorted(words))
