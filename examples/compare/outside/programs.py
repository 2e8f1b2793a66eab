"""The programs in Python: `programs.py NAME N TIMES` prints nanoseconds (or KiB) for one."""

import asyncio
import sys
import time
from collections import deque


def clock():
    return time.perf_counter_ns()


def generators(n, times):
    def body():
        for _ in range(times):
            yield

    ready = deque(body() for _ in range(n))
    for generator in ready:
        next(generator)
    begin = clock()
    while ready:
        generator = ready.popleft()
        try:
            next(generator)
            ready.append(generator)
        except StopIteration:
            pass
    return (clock() - begin) / (n * times)


def greenlets(n, times):
    from greenlet import getcurrent, greenlet

    hub = getcurrent()

    def body():
        for _ in range(times):
            hub.switch()

    ready = deque(greenlet(body) for _ in range(n))
    for one in ready:
        one.switch()
    begin = clock()
    while ready:
        one = ready.popleft()
        one.switch()
        if not one.dead:
            ready.append(one)
    return (clock() - begin) / (n * times)


async def asyncio_yields(n, times):
    async def body():
        for _ in range(times):
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(body()) for _ in range(n)]
    begin = clock()
    await asyncio.gather(*tasks)
    return (clock() - begin) / (n * times)


async def asyncio_spawn(n, times):
    async def body():
        pass

    begin = clock()
    for _ in range(times):
        for task in [asyncio.create_task(body()) for _ in range(n)]:
            await task
    return (clock() - begin) / (n * times)


async def asyncio_skynet(n, times):
    async def tree(first, leaves):
        if leaves == 1:
            return first
        each = leaves // 10
        tasks = [asyncio.create_task(tree(first + i * each, each)) for i in range(10)]
        return sum([await task for task in tasks])

    begin = clock()
    assert await tree(0, n) == n * (n - 1) // 2
    return (clock() - begin) / n


async def asyncio_ping_pong(n, times):
    to_pong, to_ping = asyncio.Queue(1), asyncio.Queue(1)

    async def pong():
        for _ in range(times):
            await to_ping.put(await to_pong.get() + 1)

    task = asyncio.create_task(pong())
    begin = clock()
    for i in range(times):
        await to_pong.put(i)
        assert await to_ping.get() == i + 1
    took = clock() - begin
    await task
    return took / times


async def asyncio_sleepers(n, times):
    import random

    random.seed(7)
    begin = time.process_time_ns()
    sleepers = [asyncio.create_task(asyncio.sleep(random.random())) for _ in range(n)]
    for sleeper in sleepers:
        await sleeper
    return (time.process_time_ns() - begin) / n


def held():
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return sum(int(lines[name].split()[0]) for name in ("VmRSS", "VmPTE"))


async def asyncio_parked(n, times):
    event = asyncio.Event()
    before = held()
    tasks = [asyncio.create_task(event.wait()) for _ in range(n)]
    await asyncio.sleep(0)
    answer = (held() - before) / n
    event.set()
    for task in tasks:
        await task
    return answer


def gevent_yields(n, times):
    import gevent

    def body():
        for _ in range(times):
            gevent.sleep(0)

    tasks = [gevent.spawn(body) for _ in range(n)]
    begin = clock()
    gevent.joinall(tasks, raise_error=True)
    return (clock() - begin) / (n * times)


def gevent_spawn(n, times):
    import gevent

    begin = clock()
    for _ in range(times):
        for task in [gevent.spawn(lambda: None) for _ in range(n)]:
            task.get()
    return (clock() - begin) / (n * times)


def gevent_skynet(n, times):
    import gevent

    def tree(first, leaves):
        if leaves == 1:
            return first
        each = leaves // 10
        tasks = [gevent.spawn(tree, first + i * each, each) for i in range(10)]
        return sum(task.get() for task in tasks)

    begin = clock()
    assert tree(0, n) == n * (n - 1) // 2
    return (clock() - begin) / n


def gevent_ping_pong(n, times):
    import gevent
    from gevent.queue import Queue

    to_pong, to_ping = Queue(1), Queue(1)

    def pong():
        for _ in range(times):
            to_ping.put(to_pong.get() + 1)

    task = gevent.spawn(pong)
    begin = clock()
    for i in range(times):
        to_pong.put(i)
        assert to_ping.get() == i + 1
    took = clock() - begin
    task.get()
    return took / times


def gevent_sleepers(n, times):
    import random

    import gevent

    random.seed(7)
    begin = time.process_time_ns()
    sleepers = [gevent.spawn(gevent.sleep, random.random()) for _ in range(n)]
    gevent.joinall(sleepers, raise_error=True)
    return (time.process_time_ns() - begin) / n


def gevent_parked(n, times):
    import gevent
    from gevent.event import Event

    event = Event()
    before = held()
    tasks = [gevent.spawn(event.wait) for _ in range(n)]
    gevent.sleep(0)
    answer = (held() - before) / n
    event.set()
    gevent.joinall(tasks, raise_error=True)
    return answer


def generator_next(n, times):
    # The work of a step in Python takes what it takes: this is the bare generator.
    def numbers():
        yield from range(times)

    begin = clock()
    assert sum(numbers()) == times * (times - 1) // 2
    return (clock() - begin) / times


name, run = sys.argv[1], asyncio.run
if name.startswith("uvloop_"):
    import uvloop

    name, run = name.replace("uvloop_", "asyncio_"), uvloop.run
answer = globals()[name](int(sys.argv[2]), int(sys.argv[3]))
print(run(answer) if asyncio.iscoroutine(answer) else answer)
