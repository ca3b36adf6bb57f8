"""Each method of the contract asks for a scope."""

from google.protobuf.descriptor import MethodDescriptor

from server.domain.overrides import OVERRIDE_SCOPE
from server.rpc.scopes import ALL_SCOPES, INVENTORY, OPS, READ, SCOPES, SERVICES, STREAMS, WRITE

METHODS: dict[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method for service in SERVICES for method in service.methods
}


def mutates(method: MethodDescriptor) -> bool:
    """A request that carries a request_id changes something, and so does a batch, whose parts have one each."""
    return "request_id" in method.input_type.fields_by_name or method.name == "AutoAssignBatch"


def test_every_method_has_a_scope_and_no_scope_is_for_nothing() -> None:
    assert METHODS
    assert set(SCOPES) == set(METHODS)
    assert set(SCOPES.values()) == ALL_SCOPES - {OVERRIDE_SCOPE}


def test_overriding_rules_is_a_scope_that_adds_to_a_method_and_opens_none() -> None:
    assert OVERRIDE_SCOPE in ALL_SCOPES
    assert OVERRIDE_SCOPE not in SCOPES.values()


def test_questions_need_read_and_changes_never_do() -> None:
    for path, method in METHODS.items():
        if "OpsService" in path:
            continue
        expected = {READ} if not mutates(method) else {INVENTORY} if "InventoryService" in path else {WRITE}
        assert {SCOPES[path]} == expected, path


def test_running_the_service_takes_a_scope_of_its_own() -> None:
    assert {path for path, scope in SCOPES.items() if scope == OPS} == {
        path for path in METHODS if "OpsService" in path
    }


def test_every_method_has_one_request_as_the_interceptors_assume() -> None:
    assert [path for path, method in METHODS.items() if method.client_streaming] == []
    assert {path for path, method in METHODS.items() if method.server_streaming} == STREAMS
