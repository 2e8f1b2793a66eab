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


async def asyncio_parked(n, times):
    def held():
        with open("/proc/self/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        return sum(int(lines[name].split()[0]) for name in ("VmRSS", "VmPTE"))

    event = asyncio.Event()
    before = held()
    tasks = [asyncio.create_task(event.wait()) for _ in range(n)]
    await asyncio.sleep(0)
    answer = (held() - before) / n
    event.set()
    for task in tasks:
        await task
    return answer


def generator_next(n, times):
    # The work of a step in Python takes what it takes: this is the bare generator.
    def numbers():
        yield from range(times)

    begin = clock()
    assert sum(numbers()) == times * (times - 1) // 2
    return (clock() - begin) / times


program = globals()[sys.argv[1]]
answer = program(int(sys.argv[2]), int(sys.argv[3]))
if asyncio.iscoroutine(answer):
    answer = asyncio.run(answer)
print(answer)
