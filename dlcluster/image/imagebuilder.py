"""EC2 Image Builder as a CloudFormation stack: components, recipe, where to build, who gets the image, pipeline."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from troposphere import (
    Base64,
    Equals,
    GetAtt,
    If,
    Output,
    Parameter,
    Ref,
    Select,
    Split,
    Sub,
    Template,
    iam,
    imagebuilder,
    logs,
)

from dlcluster.image.awstoe import SCRIPTS, assets, document
from dlcluster.image.resolved import Image
from dlcluster.image.spec import Spec

TARGET = "imagebuilder"
INLINE_LIMIT = 16000
"""Characters that the Data property of AWS::ImageBuilder::Component takes; a longer document has to lie in S3."""
TEMPLATE_LIMIT = 51200
"""Bytes of a template that CloudFormation takes in the call itself; a longer one has to lie in S3."""
PIPELINE = "PipelineArn"
"""Name of the stack's output."""
_MANAGED = ("EC2InstanceProfileForImageBuilder", "AmazonSSMManagedInstanceCore")
_READ = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": Sub("arn:${AWS::Partition}:s3:::${bucket}/*", bucket=Select(2, Split("/", Ref(SCRIPTS)))),
        }
    ],
}


def render(image: Image) -> Spec:
    """`template.json`, and beside it what does not fit into it: long documents, and files that documents fetch.

    When there is anything beside it, the template has the parameter SCRIPTS.
    """
    documents = {step.name: document(image, step) for step in image.steps}
    long = {f"{name}.yaml": text for name, text in documents.items() if not _inline(text)}
    fetched = {step.sources[name]: step.files[name] for step in image.steps for name in assets(step)}
    template = _template(image, documents, scripts=bool(long or fetched))
    text = json.dumps(template, indent=1, ensure_ascii=False) + "\n"
    return Spec({"template.json": text, **long}, fetched, _use(image, text, scripts=bool(long or fetched)))


def _use(image: Image, template: str, *, scripts: bool) -> str:
    deploy = (
        f"aws cloudformation deploy --region {{region}} --stack-name {stack_name(image.name)} "
        "--template-file {folder}/template.json --capabilities CAPABILITY_IAM"
    )
    if len(template.encode()) > TEMPLATE_LIMIT:
        deploy += " --s3-bucket BUCKET"
    if scripts:
        address = f"s3://BUCKET/{image.name}"
        deploy = f"aws s3 cp --recursive {{folder}} {address} && {deploy} --parameter-overrides {SCRIPTS}={address}"
    return deploy


def _inline(text: str) -> bool:
    return len(text) <= INLINE_LIMIT


def _version(image: Image) -> str:
    """A version made of the content: Image Builder never changes a recipe or component, it only takes new versions."""
    return f"1.0.{int(image.hash[:7], 16)}"


def _template(image: Image, documents: dict[str, str], *, scripts: bool) -> dict[str, Any]:
    template = Template(Description=f"dlcluster: builds the machine image {image.name} with EC2 Image Builder")
    template.set_version("2010-09-09")
    _add_parameters(template, scripts)
    components = _add_components(template, image, documents)
    _add_recipe(template, image, components)
    _add_infrastructure(template, image, scripts)
    _add_distribution(template, image)
    _add_pipeline(template, image)
    plain: dict[str, Any] = json.loads(template.to_json(sort_keys=False))
    return plain


def stack_name(recipe: str) -> str:
    """The stack that builds the images of a recipe."""
    return f"dlcluster-image-{recipe}"


def _name(image: Image, what: str = "") -> str:
    return f"dlcluster-{image.name}{'-' if what else ''}{what}"


def _tags(image: Image) -> dict[str, str]:
    return {name: text for name, text in image.tags.items() if name != "Name"}


def _add_parameters(template: Template, scripts: bool) -> None:
    for name, description in (
        ("SubnetId", "Subnet to build in, with a way to the internet. Empty: the default VPC"),
        ("SecurityGroupId", "Security group of the build machine; needed with a subnet"),
    ):
        template.add_parameter(Parameter(name, Type="String", Default="", Description=description))
    template.add_condition("SubnetGiven", {"Fn::Not": [Equals(Ref("SubnetId"), "")]})
    template.add_condition("GroupGiven", {"Fn::Not": [Equals(Ref("SecurityGroupId"), "")]})
    if scripts:
        template.add_parameter(
            Parameter(
                SCRIPTS,
                Type="String",
                AllowedPattern=r"^s3://[a-z0-9.-]{3,63}(/[\w.-]+)*$",
                Description="Where long documents and the files that documents fetch lie: s3://bucket/prefix",
            )
        )


def _add_components(
    template: Template, image: Image, documents: dict[str, str]
) -> list[imagebuilder.ComponentConfiguration]:
    uses = []
    for number, step in enumerate(image.steps, 1):
        text = documents[step.name]
        source = {"Data": text} if _inline(text) else {"Uri": Sub(f"${{{SCRIPTS}}}/{step.name}.yaml")}
        summary = step.component.summary if step.component else "The recipe's own tests"
        component = template.add_resource(
            imagebuilder.Component(
                f"Component{number:02}",
                Name=_name(image, step.name),
                Description=summary,
                Version=_version(image),
                Platform="Linux",
                Tags=_tags(image),
                **source,
            )
        )
        given = imagebuilder.ComponentParameter(Name=SCRIPTS, Value=[Ref(SCRIPTS)])
        parameters = {"Parameters": [given]} if assets(step) else {}
        uses.append(imagebuilder.ComponentConfiguration(ComponentArn=Ref(component), **parameters))
    return uses


def _add_recipe(template: Template, image: Image, components: list[imagebuilder.ComponentConfiguration]) -> None:
    recipe = image.recipe
    # An encrypted image cannot be given away: the key of the account would have to go with it.
    shared = recipe.share.public or bool(recipe.share.accounts or recipe.share.organizations)
    disk = imagebuilder.EbsInstanceBlockDeviceSpecification(
        VolumeSize=recipe.root_gib, VolumeType="gp3", DeleteOnTermination=True, Encrypted=not shared
    )
    extra = {}
    if image.platform.name == "debian-12":
        agent = resources.files(__package__).joinpath("ssm-agent.sh").read_text(encoding="utf-8")
        extra["AdditionalInstanceConfiguration"] = imagebuilder.AdditionalInstanceConfiguration(
            UserDataOverride=Base64(agent)
        )
    template.add_resource(
        imagebuilder.ImageRecipe(
            "Recipe",
            Name=_name(image),
            Description=recipe.summary,
            Version=_version(image),
            ParentImage=image.parent,
            Components=components,
            BlockDeviceMappings=[
                imagebuilder.InstanceBlockDeviceMapping(DeviceName=image.platform.root_device, Ebs=disk)
            ],
            WorkingDirectory="/tmp",
            Tags=_tags(image),
            **extra,
        )
    )


def _add_infrastructure(template: Template, image: Image, scripts: bool) -> None:
    read = {"Policies": [iam.Policy(PolicyName="scripts", PolicyDocument=_READ)]} if scripts else {}
    template.add_resource(
        iam.Role(
            "BuildRole",
            Description=f"Build machines of the image {image.name}",
            AssumeRolePolicyDocument={
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ],
            },
            ManagedPolicyArns=[Sub(f"arn:${{AWS::Partition}}:iam::aws:policy/{name}") for name in _MANAGED],
            **read,
        )
    )
    template.add_resource(iam.InstanceProfile("BuildProfile", Roles=[Ref("BuildRole")]))
    template.add_resource(
        imagebuilder.InfrastructureConfiguration(
            "Infrastructure",
            Name=_name(image),
            Description=f"Where the image {image.name} is built and tested",
            InstanceTypes=[image.recipe.build_type],
            InstanceProfileName=Ref("BuildProfile"),
            InstanceMetadataOptions=imagebuilder.InstanceMetadataOptions(
                HttpTokens="required", HttpPutResponseHopLimit=2
            ),
            SubnetId=If("SubnetGiven", Ref("SubnetId"), Ref("AWS::NoValue")),
            SecurityGroupIds=If("GroupGiven", [Ref("SecurityGroupId")], Ref("AWS::NoValue")),
            TerminateInstanceOnFailure=True,
            ResourceTags=_tags(image),
            Tags=_tags(image),
        )
    )


def _add_distribution(template: Template, image: Image) -> None:
    share = image.recipe.share
    permissions: dict[str, Any] = {}
    if share.accounts:
        permissions["UserIds"] = list(share.accounts)
    if share.organizations:
        permissions["OrganizationArns"] = list(share.organizations)
    if share.public:
        permissions["UserGroups"] = ["all"]
    ami = imagebuilder.AmiDistributionConfiguration(
        Name=f"{_name(image)}-{image.hash}-{{{{ imagebuilder:buildDate }}}}",
        Description=image.recipe.summary,
        AmiTags=image.tags,
    )
    if permissions:
        ami.LaunchPermissionConfiguration = imagebuilder.LaunchPermissionConfiguration(**permissions)
    regions: list[Any] = [Ref("AWS::Region"), *image.recipe.regions]
    template.add_resource(
        imagebuilder.DistributionConfiguration(
            "Distribution",
            Name=_name(image),
            Description=f"Who gets the image {image.name}",
            Distributions=[
                imagebuilder.Distribution(Region=region, AmiDistributionConfiguration=ami) for region in regions
            ],
            Tags=_tags(image),
        )
    )


def _add_pipeline(template: Template, image: Image) -> None:
    # Image Builder would make the log group by itself, and leave it behind.
    template.add_resource(
        logs.LogGroup(
            "Log",
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
            LogGroupName=f"/aws/imagebuilder/{_name(image)}",
            RetentionInDays=30,
        )
    )
    schedule = {}
    if image.recipe.schedule:
        schedule["Schedule"] = imagebuilder.Schedule(
            ScheduleExpression=image.recipe.schedule,
            PipelineExecutionStartCondition="EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE",
        )
    pipeline = template.add_resource(
        imagebuilder.ImagePipeline(
            "Pipeline",
            DependsOn="Log",
            Name=_name(image),
            Description=f"Builds the image {image.name}",
            ImageRecipeArn=Ref("Recipe"),
            InfrastructureConfigurationArn=Ref("Infrastructure"),
            DistributionConfigurationArn=Ref("Distribution"),
            EnhancedImageMetadataEnabled=True,
            ImageTestsConfiguration=imagebuilder.ImageTestsConfiguration(
                ImageTestsEnabled=True, TimeoutMinutes=max(60, 2 * image.recipe.build_minutes)
            ),
            Status="ENABLED",
            Tags=_tags(image),
            **schedule,
        )
    )
    template.add_output(
        Output(PIPELINE, Description="The pipeline that builds the image", Value=GetAtt(pipeline, "Arn"))
    )
