"""Which of two limits gives no more time: an institution may be tighter than the nation."""

from shared.registry.models import Limit


def is_no_looser(limit: Limit, than: Limit) -> bool:
    """Say whether a limit can never end later than another; two units are not compared."""
    return limit.unit == than.unit and limit.amount <= than.amount
