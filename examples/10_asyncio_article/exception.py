import asyncio

async def my_coroutine():
    await asyncio.sleep(1)
    raise ValueError("Something went wrong!")

async def main():
    task = asyncio.create_task(my_coroutine())
    try:
        await task
    except ValueError as e:
        print(f"Caught an exception: {e}")

if __name__ == "__main__":
    asyncio.run(main())
