from tests.conftest import Served
from tests.builders.world import small_world
import server, grpc.aio
from maitred.v1 import assignment_service_pb2_grpc, assignment_service_pb2 as pb

async def test_try(server: Served, client):
    world = await small_world(client)
    import server as s; print(s.__file__)
    async with grpc.aio.insecure_channel(server.address) as ch:
        stub = assignment_service_pb2_grpc.AssignmentServiceStub(ch)
        call = stub.WatchFloor(pb.WatchFloorRequest(restaurant_id=world.restaurant_id), metadata=(("x-maitred-tenant", str(server.tenant_id)),))
        it = call.__aiter__()
        print(await it.__anext__())
        b = await world.booking()
        h = await world.hold(b, "T1")
        print(await it.__anext__())
        m = await it.__anext__()
        print(m)
        call.cancel()
