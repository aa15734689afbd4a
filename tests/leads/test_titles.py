"""Seniority from job titles."""

import pytest

from leads.titles import seniority_of


@pytest.mark.parametrize(
    ("title", "seniority"),
    [
        ("CEO & Founder", "c_level"),
        ("Geschäftsführerin", "c_level"),
        ("Vice President Sales", "vp"),
        ("Head of Operations", "director"),
        ("Vertriebsleiter", "individual"),
        ("Leiter Einkauf", "director"),
        ("Product Manager", "manager"),
        ("Software Engineer", "individual"),
        ("Intern, CEO office", "student"),
        ("Coordinator", "individual"),
        ("", ""),
    ],
)
def test_seniority_of(title: str, seniority: str) -> None:
    assert seniority_of(title) == seniority
