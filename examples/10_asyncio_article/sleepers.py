import asyncio

async def my_coroutine(delay):
    print(f"Coroutine started, sleeping for {delay} seconds...")
    await asyncio.sleep(delay)
    print("Coroutine finished!")

async def main():
    task1 = asyncio.create_task(my_coroutine(2))
    task2 = asyncio.create_task(my_coroutine(1))
    await asyncio.gather(task1, task2)

if __name__ == "__main__":
    asyncio.run(main())
