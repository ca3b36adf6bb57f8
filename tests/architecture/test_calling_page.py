"""The page for callers in any language says what server, client and contract say."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maitred_client.channel import DEFAULT_RETRY, service_config
from ops.build.generate import tool_environment
from server.rpc.server import METADATA_BYTES_MAX, RpcSettings
from tests.architecture.sources import ROOT

PAGE = (ROOT / "docs" / "calling.md").read_text()
ERRORS = (ROOT / "docs" / "errors.md").read_text()
RPC = RpcSettings()
LIMITS = (
    f"request of {RPC.message_bytes_max >> 20} MiB, ",
    f"above {RPC.message_bytes_hard_max >> 20} MiB ",
    f"metadata of {METADATA_BYTES_MAX >> 10} KiB ",
    f"a ping every {RPC.keepalive_s // 2} s, ",
    f"Set keepalive to {RPC.keepalive_s} s with a time-out of {RPC.keepalive_timeout_s} s ",
    f"{RPC.connection_calls_max:,} calls at a time ",
    f"closed after about {RPC.connection_age_s_max} s ",
    f"not ended {RPC.deadlines.max_s:g} s later ",
    f"Without one a call has {RPC.deadlines.default_s:g} s; none has more than {RPC.deadlines.max_s:g} s.",
)
# Writes down what a generator is told to name the code after.
PLUGIN = """
import json, sys
from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
asked = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
names = {file.name: [file.options.go_package, file.options.java_package] for file in asked.proto_file}
answer = CodeGeneratorResponse(supported_features=CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)
answer.file.add(name="names.json", content=json.dumps(names))
sys.stdout.buffer.write(answer.SerializeToString())
"""


def example(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(block)


def test_the_service_config_is_that_of_the_client() -> None:
    def read(config: str) -> Any:
        return json.loads(re.sub(r'"([\d.]+)s"', r"\1", config))

    assert read(example("json")) == read(service_config(DEFAULT_RETRY))


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_that_of_the_server(limit: str) -> None:
    assert limit in PAGE


def test_every_detail_that_a_refusal_may_carry_is_named() -> None:
    carried = {
        name
        for line in re.findall(r"^- Status: .*, with (.*)$", ERRORS, re.MULTILINE)
        for name in re.findall(r"\w+", line)
    }
    named = set(re.findall(r"^\| `(?:google\.rpc|maitred\.v1)\.(\w+)`", PAGE, re.MULTILINE))
    assert named == {"ErrorInfo", *carried}


def test_generators_are_told_what_to_name_the_code_after(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text(PLUGIN)
    template = tmp_path / "buf.gen.yaml"
    of_page = "local: protoc-gen-go\n"
    assert of_page in example("yaml")
    template.write_text(
        example("yaml").replace(of_page, f"local: {json.dumps([sys.executable, str(plugin)])}\n")
    )
    subprocess.run(
        ("buf", "generate", "--template", str(template), "--output", str(tmp_path)),
        cwd=ROOT,
        env=tool_environment(),
        check=True,
    )
    names = json.loads((tmp_path / "gen" / "names.json").read_text())
    assert names["maitred/v1/errors.proto"] == [
        "example.com/booking/gen/maitred/v1;maitredv1",
        "com.example.maitred.v1",
    ]
    assert all(go and java for go, java in names.values())
