"""Takes a right away, and gives it back: access rules of the broker.

The broker asks nobody who they are here, so all are `User:ANONYMOUS`; what no rule is about is
allowed.
"""

from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

PROPERTIES: Final = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
LITERAL, DENY = 3, 2  # by its whole name; nobody may. The numbers are the protocol's.


class Right(NamedTuple):
    """What may be done to which kind of resource, in the protocol's numbers."""

    kind: int
    operation: int


READ_AS_GROUP: Final = Right(3, 3)
WRITE_TO_TOPIC: Final = Right(2, 4)


async def revoke(kafka: str, name: str, right: Right = READ_AS_GROUP) -> None:
    """Let nobody do this to the resource of that name.

    Raises:
        KafkaError: the broker did not take it, or is away.
    """
    answer = await _ask(kafka, CreateAclsRequest(*_rule(name, right)))
    for code, message in answer.creation_responses:
        if code:
            raise for_code(code)(message)


async def restore(kafka: str, name: str, right: Right = READ_AS_GROUP) -> None:
    """Take that rule away again.

    Raises:
        KafkaError: the broker did not take it, or is away.
    """
    answer = await _ask(kafka, DeleteAclsRequest(*_rule(name, right)))
    for code, message, _rules in answer.filter_responses:
        if code:
            raise for_code(code)(message)


def _rule(name: str, right: Right) -> tuple[int, str, int, str, str, int, int]:
    return right.kind, name, LITERAL, "User:ANONYMOUS", "*", right.operation, DENY


async def _ask(kafka: str, request: CreateAclsRequest | DeleteAclsRequest) -> Any:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        return await admin._send_request(request)
    finally:
        await admin.close()
