"""The pipeline page: for whom it opens, and that its table repeats its chart."""

import pytest
from django.test import Client

from accounts.models import User
from tests import factories

pytestmark = pytest.mark.django_db


def _get(user: User, path: str = "/pipeline/") -> tuple[int, str]:
    client = Client()
    client.force_login(user)
    response = client.get(path)
    return response.status_code, response.content.decode()


def test_managers_model_owners_and_admins_open_the_pipeline(
    manager: User, model_owner: User, admin: User
) -> None:
    for user in (manager, model_owner, admin):
        status, html = _get(user)
        assert status == 200
        assert "Open leads by stage and tier" in html


def test_a_rep_gets_403_with_the_reason_and_no_link_to_it(rep: User) -> None:
    status, html = _get(rep)
    assert status == 403
    assert "The pipeline is for managers" in html
    assert 'href="/pipeline/"' not in html


def test_nobody_without_a_log_in_sees_it(db: None) -> None:
    response = Client().get("/pipeline/")
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


def test_a_parameter_that_nothing_reads_is_refused(manager: User) -> None:
    status, html = _get(manager, "/pipeline/?team=1")
    assert status == 400
    assert "team" in html


def test_the_chart_has_a_title_a_description_and_a_table_twin(rep: User, manager: User) -> None:
    factories.make_lead(owner=rep, stage="mql")
    _, html = _get(manager)
    assert '<title id="chart-title">' in html
    assert "MQL 1, of them 0 hot" in html
    assert "/?scope=all&amp;stage=mql&amp;is_open=true" in html
