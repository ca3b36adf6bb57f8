"""The wheel holds the service, the stubs, the clients and the migrations, and nothing else."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.architecture.sources import ROOT

PLAIN_SUFFIXES = {".py", ".pyi", ".typed", ".sql", ".json", ".toml"}
# What a plain install brings besides the standard library, by import name.
PLAIN_IMPORTS = {"google", "grpc", "grpc_status", "typing_extensions", "maitred", "maitred_client", "loadgen"}

# Runs in an interpreter of its own, in which only the wheel, the standard library and some packages exist.
FENCED = """
import sys
wheel, allowed, action = sys.argv[1], set(sys.argv[2].split(",")), sys.argv[3]

class Fence:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root in allowed or root in sys.stdlib_module_names:
            return None
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Fence())
sys.path.insert(0, wheel)
exec(action)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(target), versions=["standard"])
    return zipfile.ZipFile(built)


@pytest.fixture(scope="module")
def unpacked(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    wheel.extractall(target)
    return target


def fenced(unpacked: Path, allowed: set[str], action: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", FENCED, str(unpacked), ",".join(sorted(allowed)), action]
    return subprocess.run(command, cwd=unpacked, capture_output=True, text=True, check=False, timeout=60)


def contents(wheel: zipfile.ZipFile) -> list[str]:
    return [name for name in wheel.namelist() if ".dist-info/" not in name]


def test_the_top_level_is_exactly_the_four_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"server", "maitred", "maitred_client", "loadgen", "maitred-0.1.0.dist-info"}


def test_nothing_but_code_and_data_is_in_it(wheel: zipfile.ZipFile) -> None:
    odd = [name for name in contents(wheel) if Path(name).suffix not in PLAIN_SUFFIXES]
    leaked = [name for name in contents(wheel) if {"tests", "ops", "docs", "proto"} & set(name.split("/"))]
    assert odd + leaked == []


@pytest.mark.parametrize(
    ("source", "home"),
    [
        ("server", "server"),
        ("gen/maitred", "maitred"),
        ("clients/maitred_client", "maitred_client"),
        ("clients/loadgen", "loadgen"),
        ("migrations", "server/persistence/migrations"),
    ],
)
def test_every_file_of_a_room_is_in_it(wheel: zipfile.ZipFile, source: str, home: str) -> None:
    base = ROOT / source
    wanted = {
        f"{home}/{path.relative_to(base).as_posix()}"
        for path in base.rglob("*")
        if path.suffix in PLAIN_SUFFIXES and "__pycache__" not in path.parts
    }
    assert wanted
    assert wanted - set(wheel.namelist()) == set()


def plain_requirements(wheel: zipfile.ZipFile) -> dict[str, SpecifierSet]:
    metadata = wheel.read("maitred-0.1.0.dist-info/METADATA").decode()
    lines = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    plain = [Requirement(line.partition(":")[2].strip()) for line in lines if "extra ==" not in line]
    assert len(lines) > len(plain)
    return {each.name: each.specifier for each in plain}


def test_a_plain_install_asks_for_the_client_dependencies_only(wheel: zipfile.ZipFile) -> None:
    assert set(plain_requirements(wheel)) == {
        "grpcio",
        "grpcio-status",
        "googleapis-common-protos",
        "protobuf",
    }


def test_a_plain_install_takes_what_the_generated_code_takes(wheel: zipfile.ZipFile) -> None:
    stubs = wheel.read("maitred/v1/planner_service_pb2_grpc.py").decode()
    messages = wheel.read("maitred/v1/planner_service_pb2.py").decode()
    made_with = {
        "grpcio": re.findall(r"^GRPC_GENERATED_VERSION = '(.+)'$", stubs, re.MULTILINE),
        "protobuf": re.findall(r"^# Protobuf Python Version: (.+)$", messages, re.MULTILINE),
    }
    required = plain_requirements(wheel)
    for name, (oldest,) in made_with.items():
        major, minor, _ = map(int, oldest.split("."))
        taken = [oldest, f"{major}.{minor}.999", f"{major}.{minor + 1}.0"]
        refused = [f"{major}.{minor - 1}.999", f"{major + 1}.0.0"]
        assert list(required[name].filter([*taken, *refused])) == taken


def test_the_client_imports_with_a_plain_install(unpacked: Path) -> None:
    done = fenced(unpacked, PLAIN_IMPORTS, "import maitred_client; print(maitred_client.__file__)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(unpacked))


def test_the_driver_imports_with_a_plain_install(unpacked: Path) -> None:
    done = fenced(unpacked, PLAIN_IMPORTS, "import loadgen.driving; print(loadgen.driving.__file__)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(unpacked))


def test_the_program_says_what_to_install_with_a_plain_install(unpacked: Path) -> None:
    done = fenced(unpacked, {*PLAIN_IMPORTS, "server"}, "import server.entry; server.entry.main()")
    assert done.returncode == 69, done.stderr
    assert "pip install 'maitred[server]'" in done.stderr
    assert "Traceback" not in done.stderr
