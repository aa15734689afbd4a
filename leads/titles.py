"""Seniority from a job title. Pure; the first pattern that matches wins."""

import re

SENIORITIES = ("c_level", "vp", "director", "manager", "individual", "student")

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (seniority, re.compile(rf"\b(?:{words})\b"))
    for seniority, words in (
        ("student", r"student|intern|trainee|praktikant\w*|apprentice"),
        ("vp", r"vp|svp|evp|vice president|vice-president"),
        (
            "c_level",
            r"c[efiotm]o|chro|ciso|chief|founder|co-founder|owner|president|geschäftsführer\w*"
            r"|managing director|general manager|inhaber\w*|vorstand",
        ),
        ("director", r"director|head|leiter\w*|directeur|directrice"),
        ("manager", r"manager|lead|supervisor|teamleiter\w*|team lead|principal"),
    )
)


def seniority_of(title: str) -> str:
    """Return one of SENIORITIES for a job title, '' for an empty one."""
    folded = title.casefold().strip()
    if not folded:
        return ""
    for seniority, pattern in _PATTERNS:
        if pattern.search(folded):
            return seniority
    return "individual"
