"""Every event and command of the system, one class each, as JSON in the value of a record.

Facts are in the past tense, commands in the imperative. All times are aware and UTC. A field of
type `Sealed` holds text sealed with the report's key (`shared/vault/crypto.py`); a `Words` field is
clear on a gateway's own topic and sealed on every stream behind the gateway.

One module per stream; this one names them all: `from shared.contract import events as e`.
"""

from shared.contract.events.channel import *
from shared.contract.events.commands import *
from shared.contract.events.fields import *
from shared.contract.events.follow_up import *
from shared.contract.events.inbox import *
from shared.contract.events.intake import *
from shared.contract.events.internal import *
from shared.contract.events.notifications import *
from shared.contract.events.registry import *
from shared.contract.events.routing import *
from shared.contract.events.sla import *
from shared.contract.events.verification import *
