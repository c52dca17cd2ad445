"""What is generated and committed: up to date, valid for CloudFormation, right for editors."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import jsonschema
import pytest
import yaml

from dlcluster import checks
from dlcluster.config import json_schema, load_cluster, parse_cluster, starter_file
from dlcluster.stack import build_template, to_json

ROOT = Path(__file__).parents[3]
GENERATED = runpy.run_path(str(ROOT / "scripts/generate_templates.py"))["generated"]()
EXAMPLES = sorted((ROOT / "examples/clusters").glob("*.yaml"))
RANGES = ", ".join(f"10.1.{number}.0/24" for number in range(50))

LINTED = {
    "default": "",
    "cpu": "cloud: aws\nnetwork: {ssh_from: [203.0.113.7/32], zone: us-east-1a}",
    "p5": "cloud: aws\nworkers: {type: p5.48xlarge, count: 16}\nnetwork: {ssh_from: [203.0.113.7/32]}",
    "spot": "workers: {type: g6.8xlarge, spot: true}\nbucket: {keep: true}\nimage: ami-0123456789abcdef0",
    "ranges": f"cloud: aws\nnetwork: {{vpc_cidr: 10.9.0.0/22, ssh_from: [{RANGES}]}}",
    "nobody": "cloud: aws",
    "setup": "setup: ['echo ${HOME} $(id) `id` {{x}}']",
}


@pytest.mark.parametrize("path", GENERATED)
def test_a_generated_file_is_up_to_date(path):
    assert (ROOT / path).read_text(encoding="utf-8") == GENERATED[path], "run scripts/generate_templates.py"


@pytest.fixture(scope="module")
def lint():
    """cfn-lint's findings of a template: errors, warnings and informational ones."""
    from cfnlint.api import ManualArgs
    from cfnlint.api import lint as run

    config = ManualArgs(regions=["us-east-1", "eu-central-1"], include_checks=["I"])

    def findings(text: str) -> list[str]:
        return [str(match) for match in run(text, config=config)]

    return findings


@pytest.mark.parametrize("name", LINTED)
def test_cfn_lint_has_nothing_to_say(name, lint):
    assert lint(to_json(build_template(parse_cluster(LINTED[name])))) == []


def test_cfn_lint_would_speak_up(lint):
    template = build_template(parse_cluster(""))
    template["Resources"]["Vpc"]["Properties"]["CidrBlok"] = "10.0.0.0/16"
    assert any("CidrBlok" in finding for finding in lint(to_json(template)))


def test_the_schema_admits_the_starter_file_and_the_examples():
    validator = jsonschema.Draft202012Validator(json_schema())
    for text in (starter_file(), *(path.read_text() for path in EXAMPLES)):
        validator.validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text", ["workrs: {}", "workers: {count: 0}", "workers: {efa: 2}", "cloud: gcp", "setup: echo", "name: Big"]
)
def test_the_schema_refuses_what_the_loader_refuses(text):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), json_schema())


def test_every_key_of_the_schema_is_described():
    schema = json_schema()
    for model in (schema, *schema["$defs"].values()):
        for key, value in model["properties"].items():
            assert "description" in value or "$ref" in value, key
    assert json.dumps(schema)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_loads_and_has_no_errors(path):
    assert [finding for finding in checks.run(load_cluster(path)) if finding.level == "ERROR"] == []
