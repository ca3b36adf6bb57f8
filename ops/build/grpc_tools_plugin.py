"""Makes grpcio-tools a protoc plugin, because buf runs plugins and grpcio-tools carries only a compiler.

Usage: `grpc_tools_plugin.py python|grpc_python`, with a CodeGeneratorRequest on stdin; answers with a
CodeGeneratorResponse on stdout. The request's descriptors are handed to the compiler as they
are, so no proto file is read twice.
"""

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

GENERATORS = ("python", "grpc_python")


def generate(request: plugin_pb2.CodeGeneratorRequest, generator: str) -> plugin_pb2.CodeGeneratorResponse:
    """The files that the named generator of grpcio-tools writes for the request."""
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    with tempfile.TemporaryDirectory() as scratch:
        descriptors = Path(scratch, "descriptors.binpb")
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        out = Path(scratch, "out")
        out.mkdir()
        parameter = f"{request.parameter}:" if request.parameter else ""
        status = protoc.main(
            [
                "protoc",
                f"--descriptor_set_in={descriptors}",
                f"--{generator}_out={parameter}{out}",
                *request.file_to_generate,
            ]
        )
        if status != 0:
            response.error = f"grpcio-tools ended with status {status}"
            return response
        for path in sorted(out.rglob("*.py")):
            response.file.add(name=path.relative_to(out).as_posix(), content=path.read_text())
    return response


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in GENERATORS:
        sys.exit(f"usage: grpc_tools_plugin.py {'|'.join(GENERATORS)}")
    request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(generate(request, sys.argv[1]).SerializeToString())


if __name__ == "__main__":
    main()
