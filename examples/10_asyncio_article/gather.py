# "Use return_exceptions=True to let gather return the results of all, exceptions among them."
import asyncio

async def divide(a, b):
    await asyncio.sleep(b / 10)
    if b == 0:
        raise ValueError("division by zero")
    return a // b

async def main():
    pairs = [(6, 3), (1, 0), (8, 2)]
    for result in await asyncio.gather(*(divide(a, b) for a, b in pairs), return_exceptions=True):
        print(f"error: {result}" if isinstance(result, ValueError) else result)

if __name__ == "__main__":
    asyncio.run(main())
