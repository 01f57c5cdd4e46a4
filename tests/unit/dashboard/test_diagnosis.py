"""A diagnosis over the web: for those who may see the video's words, asked of the daemon, offered on the job page."""

from __future__ import annotations

from tests.unit.dashboard.web_rig import Web


def test_diagnosis_is_offered_to_those_who_may_see_the_words(house: Web) -> None:
    mine, other = house.job(1, user="ana"), house.job(2)
    client = house.person("ana")
    assert f'data-diagnosis="/jobs/{mine}/diagnosis"' in client.get(f"/dashboard/jobs/{mine}").text
    assert "data-diagnosis" not in client.get(f"/dashboard/jobs/{other}").text
    assert client.get(f"/jobs/{other}/diagnosis").status_code == 403
    assert client.get("/jobs/jnobody/diagnosis").status_code == 404
    refused = client.get(f"/jobs/{mine}/diagnosis")
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (503, "daemon_unreachable"), "it is the daemon's errand"
