"""Takes a consumer group's right to read away, and gives it back: access rules of the broker.

The broker asks nobody who they are here, so all are `User:ANONYMOUS`; what no rule is about is
allowed.
"""

from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

PROPERTIES: Final = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
# Group, by its whole name; nobody, from nowhere, may read. The numbers are the protocol's.
GROUP, LITERAL, READ, DENY = 3, 3, 3, 2


async def revoke(kafka: str, group: str) -> None:
    """Let nobody read as a member of this group.

    Raises:
        KafkaError: the broker did not take it, or is away.
    """
    answer = await _ask(kafka, CreateAclsRequest(*_rule(group)))
    for code, message in answer.creation_responses:
        if code:
            raise for_code(code)(message)


async def restore(kafka: str, group: str) -> None:
    """Take that rule away again.

    Raises:
        KafkaError: the broker did not take it, or is away.
    """
    answer = await _ask(kafka, DeleteAclsRequest(*_rule(group)))
    for code, message, _rules in answer.filter_responses:
        if code:
            raise for_code(code)(message)


def _rule(group: str) -> tuple[int, str, int, str, str, int, int]:
    return GROUP, group, LITERAL, "User:ANONYMOUS", "*", READ, DENY


async def _ask(kafka: str, request: CreateAclsRequest | DeleteAclsRequest) -> Any:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        return await admin._send_request(request)
    finally:
        await admin.close()
