"""Normal forms of e-mail, phone, domain and name."""

import pytest

from leads import identity


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (" Ada@Works.Example ", "ada@works.example"),
        ("<ada@works.example>", "ada@works.example"),
        ("mailto:ada@works.example", "ada@works.example"),
        ("a.d+x@works.example", "a.d+x@works.example"),
        ("ada@münchen.example", "ada@xn--mnchen-3ya.example"),
        ("ada\u200b@works.example", "ada@works.example"),
        ("none", None),
        ("ada@works", None),
        ("ada@@works.example", None),
        ("a..b@works.example", None),
        ("ada works@x.example", None),
        ("a" * 250 + "@works.example", None),
        ("ada@works.example\r\nBcc: x@y.example", None),
        ("", None),
    ],
)
def test_normal_email(text: str, normal: str | None) -> None:
    assert identity.normal_email(text) == normal


@pytest.mark.parametrize(
    ("text", "country", "normal"),
    [
        ("030 901820", "DE", "+4930901820"),
        ("+44 20 7946 0958", "DE", "+442079460958"),
        ("0049 30 901820", "DE", "+4930901820"),
        ("call me", "DE", None),
        ("12", "DE", None),
        ("", "DE", None),
    ],
)
def test_normal_phone(text: str, country: str, normal: str | None) -> None:
    assert identity.normal_phone(text, country) == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://www.Works.example/about?x=1", "works.example"),
        ("works.example:8443", "works.example"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("not a domain", None),
        ("localhost", None),
    ],
)
def test_normal_domain(text: str, normal: str | None) -> None:
    assert identity.normal_domain(text) == normal


def test_free_mail_says_nothing_about_an_employer() -> None:
    assert identity.email_kind("ada@gmail.com") == "free"
    assert identity.email_kind("ada@works.example") == "own"
    assert identity.email_kind("") == ""


def test_a_name_is_the_same_in_any_order() -> None:
    assert identity.normal_name("Ito, Haruka") == identity.normal_name("haruka", "ITO")


def test_clean_text_stores_nothing_that_hides() -> None:
    assert identity.clean_text(" a\u202eb\x00c\ud800 ") == "abc?"
