"""Every spec holds the same scripts, variables, order and tests: each is read back with a parser that is not ours."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import hcl2
import pytest
import yaml

from dlcluster.image.awstoe import assets
from dlcluster.image.library import Library, shipped
from dlcluster.image.load import load_image
from dlcluster.image.resolved import FOLDER, Image
from dlcluster.image.spec import TARGETS, Spec, render

SHIPPED = Library((shipped(),))
NASTY = 'it\'s ${a} $(id) `id` %{x} {{{y}}} \\ "q" #'
Run = tuple[str, str, dict[str, str]]
"""Step, script, variables."""


def load(text: str) -> Any:
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def docker(spec: Spec) -> Iterator[Run]:
    folder = ""
    for line in spec.files["Dockerfile"].splitlines():
        word, _, rest = line.partition(" ")
        if word == "WORKDIR":
            folder = rest.removeprefix(f"{FOLDER}/")
        elif word == "RUN":
            variables, _, script = rest.rpartition(" bash ")
            yield folder, script, named(variables)


def packer(spec: Spec) -> Iterator[Run]:
    (build,) = hcl2.load(io.StringIO(spec.files["image.pkr.hcl"]))["build"]
    for provisioner in build["provisioner"]:
        for quoted in provisioner.get('"shell"', {}).get("inline", []):
            text = json.loads(quoted.replace("$${", "${").replace("%%{", "%{"))
            if text.startswith("cd "):
                yield command(text)


def cloud_init(spec: Spec) -> Iterator[Run]:
    for text in load(spec.files["user-data.yaml"])["runcmd"]:
        if text.startswith("("):
            yield command(text[1:-1])


def imagebuilder(spec: Spec) -> Iterator[Run]:
    documents = list(component_documents(spec))
    for phase in ("build", "validate"):
        for document in documents:
            for text in bash_commands(document, phase):
                last = text.strip().splitlines()[-1]
                if " && env HOME=" in last:
                    yield command(last)
    for document in documents:
        assert bash_commands(document, "test") == bash_commands(document, "validate")


READERS = {"docker": docker, "packer": packer, "cloud-init": cloud_init, "imagebuilder": imagebuilder}


def command(text: str) -> Run:
    match = re.fullmatch(rf"cd {FOLDER}/(\S+) && env (.*) bash (\S+)", text)
    assert match, text
    return match[1], match[3], named(match[2])


def named(words: str) -> dict[str, str]:
    return dict(word.partition("=")[::2] for word in shlex.split(words))


def component_documents(spec: Spec) -> Iterator[dict[str, Any]]:
    """The component documents in the order of the recipe, from the template or from beside it."""
    resources = json.loads(spec.files["template.json"])["Resources"]
    for use in resources["Recipe"]["Properties"]["Components"]:
        properties = resources[use["ComponentArn"]["Ref"]]["Properties"]
        inside = properties.get("Data")
        yield load(inside or spec.files[properties["Uri"]["Fn::Sub"].removeprefix("${Scripts}/")])


def bash_commands(document: dict[str, Any], phase: str) -> list[str]:
    (found,) = [item for item in document["phases"] if item["name"] == phase]
    steps = [step for step in found["steps"] if step["action"] == "ExecuteBash"]
    return [text for step in steps for text in step["inputs"]["commands"]]


def expected(image: Image, target: str) -> list[Run]:
    installs = [(step.name, "install.sh", image.environment(step, target)) for step in image.installs]
    return installs + [(step.name, script, image.environment(step, target)) for step, script in image.tests]


@pytest.fixture
def nasty(folder):
    """A recipe with tests of its own, a file that is no text, and a parameter that shells and templates would read."""
    folder.component("driver", "parameters: {word: {}}\nshared: [lib.sh, data.bin]")
    folder.write("shared/lib.sh", "echo '{{ not ours }}' ${x}\n\n")
    (folder.root / "shared/data.bin").write_bytes(bytes(range(256)))
    folder.write("components/driver/no-newline.txt", "a\n  b\t")
    folder.write("gpu/whole.sh", "cat data.txt\n")
    folder.write("gpu/data.txt", "1\n")
    use = json.dumps([{"name": "driver", "parameters": {"word": NASTY}}, "cuda"])
    folder.recipe(f"name: gpu\nsummary: x\ncomponents: {use}\nroot_gib: 40\ntests: [whole.sh, data.txt]\n")
    return load_image(folder.library, "gpu")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", SHIPPED.recipes())
def test_a_spec_runs_every_script_in_order_with_its_variables(name, target):
    image = load_image(SHIPPED, name)
    assert list(READERS[target](render(image, target))) == expected(image, target)


@pytest.mark.parametrize("target", TARGETS)
def test_parameters_and_tests_of_the_recipe_survive_every_spec(nasty, target):
    found = list(READERS[target](render(nasty, target)))
    assert found == expected(nasty, target)
    assert found[0][2]["PARAM_WORD"] == NASTY
    assert found[-1][:2] == ("whole_image", "whole.sh")


def test_image_builder_writes_every_file_as_it_is(nasty, tmp_path):
    documents = list(component_documents(render(nasty, "imagebuilder")))
    for step, document in zip(nasty.steps, documents, strict=True):
        script = bash_commands(document, "build")[0].replace(FOLDER, str(tmp_path))
        subprocess.run(["bash", "-c", script], check=True)
        there = {path.name: path.read_bytes() for path in (tmp_path / step.name).iterdir()}
        assert there == {name: content for name, content in step.files.items() if name not in assets(step)}


def test_image_builder_fetches_what_is_no_text_from_s3(nasty):
    spec = render(nasty, "imagebuilder")
    (fetch,) = [
        step for step in next(component_documents(spec))["phases"][0]["steps"] if step["action"] == "S3Download"
    ]
    assert fetch["inputs"] == [{"source": "{{ Scripts }}/shared/data.bin", "destination": f"{FOLDER}/driver/data.bin"}]
    assert spec.context == {"shared/data.bin": bytes(range(256))}
    resources = json.loads(spec.files["template.json"])["Resources"]
    use = resources["Recipe"]["Properties"]["Components"][0]
    assert use["Parameters"] == [{"Name": "Scripts", "Value": [{"Ref": "Scripts"}]}]
    assert resources["BuildRole"]["Properties"]["Policies"]


def test_image_builder_takes_no_expression_of_its_own_from_scripts(nasty):
    for document in component_documents(render(nasty, "imagebuilder")):
        for phase in document["phases"]:
            for step in phase["steps"]:
                assert step["action"] == "S3Download" or "{{" not in json.dumps(step["inputs"])


def test_cloud_init_writes_every_file_and_shared_ones_once(nasty):
    config = load(render(nasty, "cloud-init").files["user-data.yaml"])
    files = {item["path"]: item for item in config["write_files"]}
    assert len(files) == len(config["write_files"])
    for step in nasty.steps:
        for name, content in step.files.items():
            item = files.get(f"{step.folder}/{name}") or files[f"{FOLDER}/shared/{name}"]
            text = base64.b64decode(item["content"]) if "encoding" in item else item["content"].encode()
            assert text == content
    assert f"cd {FOLDER}/shared && cp lib.sh data.bin {FOLDER}/driver/" in config["runcmd"]


@pytest.mark.parametrize("target", ["docker", "packer"])
def test_what_a_spec_copies_is_in_its_context(nasty, target):
    spec = render(nasty, target)
    text = spec.files[spec.main]
    copied = set(re.findall(r"\$\{var.context\}/([\w./-]+)", text)) or {
        word for line in text.splitlines() if line.startswith("COPY ") for word in line.split()[1:-1]
    }
    assert copied == set(spec.context)
    assert spec.context["shared/data.bin"] == bytes(range(256))


def test_image_builder_tags_shares_and_copies_the_image(folder):
    folder.recipe(
        "name: gpu\nsummary: x\ncomponents: [driver]\nroot_gib: 40\nregions: [eu-west-1]\ntags: {team: vision}\n"
        "share: {accounts: ['123456789012'], public: true}\nschedule: cron(0 4 ? * sun *)\n"
    )
    image = load_image(folder.library, "gpu")
    resources = json.loads(render(image, "imagebuilder").files["template.json"])["Resources"]
    regions = resources["Distribution"]["Properties"]["Distributions"]
    assert [item["Region"] for item in regions] == [{"Ref": "AWS::Region"}, "eu-west-1"]
    ami = regions[1]["AmiDistributionConfiguration"]
    assert ami["AmiTags"] == {**image.tags, "team": "vision", "dlcluster:recipe-hash": image.hash}
    assert ami["LaunchPermissionConfiguration"] == {"UserIds": ["123456789012"], "UserGroups": ["all"]}
    assert resources["Pipeline"]["Properties"]["Schedule"]["ScheduleExpression"] == "cron(0 4 ? * sun *)"
    disk = resources["Recipe"]["Properties"]["BlockDeviceMappings"][0]
    assert (disk["Ebs"]["VolumeSize"], disk["Ebs"]["Encrypted"]) == (40, False), "an encrypted image cannot be shared"


def test_a_changed_script_gives_new_versions_of_recipe_and_components(folder):
    def versions() -> set[str]:
        text = render(load_image(folder.library, "gpu"), "imagebuilder").files["template.json"]
        resources = json.loads(text)["Resources"].values()
        return {item["Properties"]["Version"] for item in resources if "Version" in item["Properties"]}

    before = versions()
    folder.write("components/cuda/install.sh", "echo other\n")
    assert len(before) == 1
    assert versions().isdisjoint(before)
