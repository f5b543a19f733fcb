"""What may happen to the processes of a cluster, and to what they share, beside going on."""

from typing import Final

from shared.runtime.lanes import Partition
from tests.simulation.cluster import Cluster, named, places
from tests.simulation.processes import AFTER, BEFORE, How, Process
from tests.simulation.step import Step

_PLACES: Final = ("", "publish", "save", "publish", "commit", "cases", "lanes", "ends")


# ---- of one process


def work(cluster: Cluster, step: Step) -> None:
    """Let a process do what it would do next, for some of its points."""
    process = step.chosen
    for _ in range(1 + step.how % 8):
        cluster.one(process, step.most, step.only)
        if not process.is_busy or process.is_dead:
            return


def _bring(cluster: Cluster, step: Step) -> Process:
    """Let the process go on until it stands where the fault is meant to happen."""
    process = step.chosen
    place = _PLACES[step.how >> 4 & 7]
    for _ in range(12 if place else 0):
        if process.points and process.points[0].name == place:
            break
        cluster.one(process, step.most, step.only)
        if process.is_dead:
            break
    return process


def second_task(cluster: Cluster, step: Step) -> None:
    """Join, rest, or take a batch, though another task is under way in the process."""
    process = step.chosen
    if process.is_dead or process.is_leaving:
        return
    if step.how & 1 and not process.is_zombie:
        if process.generation != process.group.generation:
            cluster.note(f"{process} joins meanwhile")
            process.join()
    elif step.how & 2 and process.batch is None:
        cluster.deliver(process, step.most, step.only)
    else:
        cluster.note(f"{process} rests meanwhile")
        process.rest()
    cluster.collect(process)


def crash(cluster: Cluster, step: Step) -> None:
    """Kill a process where it stands, a list half sent or not."""
    process = _bring(cluster, step)
    if process.points and process.points[0].name == "publish" and step.how & 1:
        cluster.go_on(process, How(sent=step.more, others=bool(step.how & 2)))
    cluster.note(f"{process} CRASHES{' at ' + process.points[0].name if process.points else ''}")
    process.crash()
    cluster.collect(process)


def fail(cluster: Cluster, step: Step) -> None:
    """Let a step outward fail: before its effect, after it, or half done."""
    process = _bring(cluster, step)
    if not process.points:
        return
    how = AFTER if step.how & 1 else BEFORE
    if process.points[0].name == "publish" and step.how & 2:
        how = How(True, True, step.more, bool(step.how & 4), bool(step.how & 8))  # noqa: FBT003
    cluster.go_on(process, how)
    cluster.collect(process)


def send_some(cluster: Cluster, step: Step) -> None:
    """Send the beginning of a list, and pause there."""
    process = _bring(cluster, step)
    if process.points and process.points[0].name == "publish":
        cluster.go_on(process, How(sent=step.more, others=bool(step.how & 1)))
        cluster.collect(process)


def pause(cluster: Cluster, step: Step) -> None:
    """Let a process sleep with what it has in hand, and another take its place, or its id."""
    process = _bring(cluster, step)
    if process.is_dead or process.is_zombie or len(cluster.zombies) > 2:
        return
    at = cluster.processes.index(process)
    cluster.processes[at] = cluster.process(process.group, process.slot)
    process.is_zombie, process.is_twin = True, bool(step.how & 1)
    process.generation = -1
    cluster.zombies.append(process)
    cluster.note(f"{process} sleeps, another takes its place")
    if step.how & 2:
        cluster.assign(process.group, lambda p: (p.partition + step.how // 4) % 2)


def drop(cluster: Cluster, step: Step) -> None:
    """Let a process that is no longer the group's lose a batch, and take the next."""
    stale = [p for p in cluster.actors
             if p.is_zombie or p.generation != p.group.generation]  # fmt: skip
    for process in stale[step.who % max(1, len(stale)) :][:1]:
        if process.is_dead or process.batch is not None:
            return
        lost = process.take(1 + step.more % 2, step.how if step.how & 1 else None)
        cluster.note(f"{process} drops {places(lost)}")
        if step.how & 2:
            cluster.deliver(process, step.most, step.only)
            cluster.collect(process)


def skip(cluster: Cluster, step: Step) -> None:
    """Let a consumer hand over a batch without its first record."""
    process = step.chosen
    if process.is_dead or process.batch is not None or process.is_leaving:
        return
    records = process.take(2 + step.more % 3, step.how)
    if len(records) == 1:
        process.fetch[Partition(records[0].topic, records[0].partition)] -= 1
    elif records:
        cluster.note(f"{process} takes {places(records)}, the first is SKIPPED")
        process.deliver(records[1:])
        cluster.collect(process)


def stop(cluster: Cluster, step: Step) -> None:
    """Ask a process to stop: it finishes what it can."""
    process = step.chosen
    if not process.is_dead:
        cluster.note(f"{process} is asked to stop")
        process.is_leaving = True
        process.shell.stop()
        cluster.loop.settle()
        cluster.collect(process)


# ---- of what they share


def rebalance(cluster: Cluster, step: Step) -> None:
    """Share the partitions anew, whole lanes to one process or each partition by itself."""
    group = step.chosen.group
    if step.how & 1:
        slots = {p: step.more >> i & 1 for i, p in enumerate(group.partitions)}
        cluster.assign(group, slots.__getitem__)
    else:
        cluster.assign(group, lambda p: (p.partition + step.more) % 2)
    cluster.note(f"REBALANCE of {group.link.name}: {[sorted(a) for a in group.assignment]}")


def outage(cluster: Cluster, step: Step) -> None:
    """Take the broker or the database away, or bring it back."""
    what = "broker" if step.how & 1 else "database"
    cluster.away[what] = 2 + step.more % 6
    cluster.note(f"the {what} is AWAY for {cluster.away[what]} steps")


def jump(cluster: Cluster, step: Step) -> None:
    """Let the broker's clock jump, forward or back."""
    cluster.broker.now_ms += (step.how - 512) * 10_000
    cluster.note(f"the broker's clock jumps to {cluster.broker.now_ms}")


def retain(cluster: Cluster, step: Step) -> None:
    """Remove what every stage that reads a partition has decided, or less.

    Not what a process still reads on to: retention takes days, and a process seconds.
    """
    all_places = sorted({p for group in cluster.groups for p in group.partitions})
    place = all_places[step.who % len(all_places)]
    decided = [g.position(place) for g in cluster.groups if place in g.partitions]
    read = [p.fetch[place] for p in cluster.processes if place in p.fetch and not p.is_dead]
    at = max(cluster.broker.starts[place], min(decided + read) - step.how % 2)
    cluster.broker.starts[place] = at
    cluster.note(f"RETENTION: {place.topic}/{place.partition} starts at {at}")


def arrive_late(cluster: Cluster, step: Step) -> None:
    """Let a request of a producer that is gone land after all."""
    if cluster.late:
        late = cluster.late.pop(step.how % len(cluster.late))
        cluster.note(f"a late request lands: {named(late)}")
        cluster.broker.append(late)
