"""Following next_page_token through a list, the same for every list of the contract."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol, TypeVar

from maitred.v1.assignment_service_pb2 import ListAssignmentsRequest, ListHoldsRequest
from maitred.v1.booking_service_pb2 import ListBookingsRequest
from maitred.v1.inventory_service_pb2 import ListBlocksRequest, ListRestaurantsRequest
from maitred.v1.ops_service_pb2 import ListAuditEntriesRequest, ListOutboxEventsRequest


class Page(Protocol):
    """One page of any list."""

    next_page_token: str


PageT = TypeVar("PageT", bound=Page)
ListRequest = TypeVar(
    "ListRequest",
    ListAssignmentsRequest,
    ListAuditEntriesRequest,
    ListBlocksRequest,
    ListBookingsRequest,
    ListHoldsRequest,
    ListOutboxEventsRequest,
    ListRestaurantsRequest,
)


def pages(ask: Callable[[ListRequest], PageT], request: ListRequest) -> Iterator[PageT]:
    """Every page from the one that `request` asks for to the last. The request is left as it is."""
    page = ask(request)
    yield page
    while page.next_page_token:
        page = ask(_continued(request, page))
        yield page


async def pages_async(
    ask: Callable[[ListRequest], Awaitable[PageT]], request: ListRequest
) -> AsyncIterator[PageT]:
    """As `pages`, for a client that has to be awaited."""
    page = await ask(request)
    yield page
    while page.next_page_token:
        page = await ask(_continued(request, page))
        yield page


def _continued(request: ListRequest, page: Page) -> ListRequest:
    following = type(request)()
    following.CopyFrom(request)
    following.page_token = page.next_page_token
    return following
