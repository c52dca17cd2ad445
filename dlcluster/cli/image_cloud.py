"""`dlcluster image build`, `status` and `delete` on the terminal: what works on AWS."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from dlcluster.cli import render
from dlcluster.cli.guard import print_json
from dlcluster.cli.select import select
from dlcluster.cloud.images import Build
from dlcluster.cloud.session import Session
from dlcluster.cluster import images as work
from dlcluster.cluster.open import session as open_session
from dlcluster.config import ClusterConfig
from dlcluster.errors import Exit, UserError
from dlcluster.image.cost import cost
from dlcluster.image.library import library
from dlcluster.image.load import load_image


def run_build(
    name: str,
    images: Path | None,
    platform: str | None,
    file: Path | None,
    region: str | None,
    subnet: str,
    group: str,
    plan_only: bool,
    yes: bool,
    json_: bool,
) -> None:
    """Plan the pipeline, ask, make it, build, print the AMI id."""
    started = time.monotonic()
    config = _where(file, region)
    image = load_image(library(_folder(images, config)), name, platform)
    with render.reporting(json_) as reporter:
        prepared = work.prepare(image, _session(config), reporter, subnet=subnet, group=group)
    if not json_:
        _show(prepared, config)
    if plan_only:
        work.discard(prepared)
        if json_:
            print_json(_plan_json(prepared))
        return
    if not yes:
        render.agreed("Go on?", lambda: work.discard(prepared), "nothing was built")
    build = _execute(prepared, json_)
    if json_:
        print_json({**_plan_json(prepared), "build": asdict(build), "seconds": round(time.monotonic() - started, 1)})
        return
    for place, ami in sorted(build.amis.items()):
        print(f"{ami} {place}")
    render.err.print(f"[green]built and tested[/]. Use it: image: recipe:{name}")


def _where(file: Path | None, region: str | None) -> ClusterConfig:
    """The cluster file's cloud and region; a region given by hand is one of AWS."""
    config = select(file, None)
    return config.model_copy(update={"cloud": "aws", "region": region}) if region else config


def _execute(prepared: work.Prepared, json_: bool) -> Build:
    name = prepared.image.name
    try:
        with render.reporting(json_) as reporter:
            return work.execute(prepared, reporter)
    except KeyboardInterrupt:
        raise UserError(
            "interrupted; what was begun goes on at AWS",
            where=name,
            hint=f"`dlcluster image status {name}` shows it, `dlcluster image delete {name}` removes it",
            code=Exit.INTERRUPTED,
        ) from None


def _folder(images: Path | None, config: ClusterConfig) -> Path | None:
    """The folder with recipes of the user's own: as said by hand, else the cluster file's."""
    return images or (Path(config.images) if config.images else None)


def _session(config: ClusterConfig) -> Session:
    if config.cloud == "local":
        work.refuse_local(Session("local", config.region))
    live = open_session(config)
    assert live is not None, "AWS needs no starting"
    return live


def _show(prepared: work.Prepared, config: ClusterConfig) -> None:
    image, plan = prepared.image, prepared.plan
    err = render.err
    err.print(f"[bold]{image.name}[/] on AWS {config.region}, from {image.base}, {len(image.installs)} components")
    if plan.kind == "create":
        err.print(f"  {len(plan.changes)} resources to create: roles and the pipeline, which cost nothing")
    else:
        render.changes(plan.changes)
    for ami in prepared.same:
        err.print(f"  [yellow]built already[/] from the recipe as it is now: {ami.id} of {ami.created}")
    price = cost(image, config.region)
    err.print(
        f"  about [bold]{render.money(price.build)}[/] for this build ({image.recipe.build_type}), "
        f"at most {render.money(price.month)} a month for each image that is kept"
    )


def _plan_json(prepared: work.Prepared) -> dict[str, object]:
    image = prepared.image
    return {
        "recipe": image.name,
        "hash": image.hash,
        "plan": prepared.plan.kind,
        "changes": [asdict(change) for change in prepared.plan.changes],
        "same": [ami.id for ami in prepared.same],
        "cost": asdict(cost(image, prepared.session.region)),
    }


def run_status(name: str, images: Path | None, file: Path | None, region: str | None, json_: bool) -> None:
    """The images of a recipe and the builds of its pipeline."""
    config = _where(file, region)
    image = load_image(library(_folder(images, config)), name)
    live = open_session(config)
    amis, builds, pipeline = work.status(live, name) if live else ([], [], False)
    if json_:
        rows = [{**asdict(ami), "current": ami.hash == image.hash} for ami in amis]
        print_json(
            {"recipe": name, "hash": image.hash, "pipeline": pipeline, "images": rows, "builds": _builds_json(builds)}
        )
        return
    if not amis and not builds:
        there = "its pipeline is there" if pipeline else "no pipeline"
        if config.cloud == "local":
            render.say(f"no image of {name} on the embedded cloud; --region REGION asks AWS")
        else:
            render.say(f"no image of {name} in {config.region}, {there}. Build one: dlcluster image build {name}")
        return
    render.table(
        ["IMAGE", "STATE", "CREATED", "RECIPE"],
        [[ami.id, ami.state, ami.created, "as now" if ami.hash == image.hash else f"was {ami.hash}"] for ami in amis],
    )
    for build in builds:
        if build.runs or build.state == "FAILED":
            render.err.print(f"build {build.arn}: {build.state.lower()} {build.reason}".rstrip())


def _builds_json(builds: list[Build]) -> list[dict[str, object]]:
    return [{**asdict(build), "runs": build.runs} for build in builds]


def run_delete(name: str, images: Path | None, file: Path | None, region: str | None, yes: bool, json_: bool) -> int:
    """Remove all of a recipe's images and its pipeline; exit LEFTOVER when something is still there."""
    config = _where(file, region)
    regions, wrong = _regions(name, _folder(images, config))
    if config.cloud == "aws" and not yes and not render.ask(f"Remove all images of {name} in {config.region}?"):
        raise UserError("not confirmed; nothing was removed", hint="-y answers yes")
    live = open_session(config)
    report = work.Removed()
    if live:
        with render.reporting(json_) as reporter:
            if wrong:
                reporter.warn("the recipe cannot be read: copies in other regions, if there are any, stay")
            report = work.delete(live, name, regions, reporter)
    if wrong and not report.removed and not report.left:
        raise wrong  # most likely the name is not right
    if json_:
        print_json(asdict(report))
    elif report.left:
        for item in report.left:
            render.err.print(f"  [red]still there:[/] {item}")
    else:
        kinds = Counter(item.split()[0] for item in report.removed)
        what = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in kinds.items()) or "nothing"
        render.err.print(f"[green]gone[/]: {what} removed; nothing of {name} is left")
    return Exit.LEFTOVER if report.left else Exit.OK


def _regions(name: str, images: Path | None) -> tuple[tuple[str, ...], UserError | None]:
    """Where copies may be. A recipe that has become wrong, or is gone, must not keep its images alive."""
    try:
        return load_image(library(images), name).recipe.regions, None
    except UserError as error:
        return (), error
