from leads.identity import email_kind, normal_domain, normal_email, normal_phone
from leads.titles import seniority_of
from world import names


def test_no_two_companies_share_a_name():
    some = range(0, 3 * names.COMPANY_NAMES, 7)
    assert len({names.company_name(number) for number in some}) == len(some)


def test_titles_tell_their_seniority():
    for seniority, titles in names.TITLES.items():
        assert {seniority_of(title) for title in titles} == {seniority}


def test_addresses_are_in_normal_form_and_reach_nobody():
    domain = names.domain_of(names.company_name(4711))
    assert normal_domain(domain) == domain
    assert domain.endswith(".example")
    for given in names.GIVEN:
        address = f"{names.mailbox(given, names.FAMILY[0])}7@{names.FREE_MAIL[0]}"
        assert normal_email(address) == address
        assert email_kind(address) == "free"


def test_telephone_numbers_are_possible_and_fictional():
    for country, ranges in names.FICTIONAL_NUMBERS.items():
        for draw in range(0, 2_000_000, 9_973):
            number = names.telephone(country, draw)
            assert normal_phone(number, "") == number
            assert number.startswith(tuple(r.prefix for r in ranges))


def test_a_country_without_fictional_numbers_has_none():
    assert names.telephone("PL", 5) == ""
