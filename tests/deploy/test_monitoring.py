"""deploy/grafana-dashboard.json and deploy/otp_app.rules.yml agree with the metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
import yaml

from otp_app.monitoring.metrics.families import COUNTED, GAUGES
from tests.running import ROOT

DASHBOARD = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text(encoding="utf-8"))
RULES = ROOT / "deploy/otp_app.rules.yml"
STORIES = ROOT / "tests/deploy/otp_app.rules.test.yml"
ALERTS = [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
EXPRESSIONS = {
    **{f"panel {panel['title']} {target['refId']}": target["expr"]
       for panel in DASHBOARD["panels"] for target in panel["targets"]},
    **{f"annotation {found['name']}": found["expr"] for found in DASHBOARD["annotations"]["list"]},
    **{rule["alert"]: rule["expr"] for rule in ALERTS},
}  # fmt: skip
#: name of a series -> its labels, with those that Prometheus adds
SERIES = {
    f"{family.name}{suffix}": {*family.labels, "instance", "job", *({"le"} if suffix == "_bucket" else ())}
    for family in (*COUNTED, *GAUGES) for suffix in (("_bucket", "_sum", "_count") if family.buckets else ("",))
} | {"up": {"instance", "job"}}  # fmt: skip
USED = re.compile(r"\b(otp_\w+|up)\b(?:\{([^}]*)\})?")


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_an_expression_is_of_metrics_that_there_are(expression: str) -> None:
    """Selected and grouped by labels that they have: anything else is an empty panel, or an alert that never comes."""
    used = USED.findall(expression)
    assert used
    assert {name for name, _ in used} <= SERIES.keys()
    for name, selected in used:
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selected)) <= SERIES[name]
    kept = set.intersection(*(SERIES[name] for name, _ in used))
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(grouped.split(", ")) <= kept


def test_every_metric_is_on_the_dashboard() -> None:
    """One that nobody sees is not worth its count."""
    shown = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    assert [family.name for family in (*COUNTED, *GAUGES) if family.name not in shown] == []


def test_a_panel_has_its_place_and_its_source() -> None:
    """No two of them lie on each other, and the source is chosen by whoever looks."""
    places = [tuple(panel["gridPos"][name] for name in "xywh") for panel in DASHBOARD["panels"]]
    cells = [(left, line) for x, y, w, h in places for left in range(x, x + w) for line in range(y, y + h)]
    assert len(cells) == len(set(cells))
    assert max(left for left, _ in cells) < 24
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {"${datasource}"}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_is(alert: dict[str, dict[str, str]]) -> None:
    """And names only labels that are left of its expression."""
    assert alert["labels"]["severity"] in {"page", "ticket"}
    said = " ".join(alert["annotations"].values())
    named = set(re.findall(r"\$labels\.(\w+)", said))
    groups = re.findall(r"\bby \(([^)]*)\)", str(alert["expr"]))
    kept = set.union(*(set(group.split(", ")) for group in groups)) if groups else {"instance", "job"}
    assert named <= kept


def test_promtool_takes_them() -> None:
    """Where Prometheus' own tool is on the PATH: whether each alert comes when it should, too."""
    if promtool := shutil.which("promtool"):
        for command in (["check", "rules", RULES], ["test", "rules", STORIES]):
            ran = subprocess.run([promtool, *command], cwd=STORIES.parent, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {test["alertname"] for story in yaml.safe_load(STORIES.read_text(encoding="utf-8"))["tests"]
            for test in story["alert_rule_test"]} <= {rule["alert"] for rule in ALERTS}  # fmt: skip
