# "If you must call something that blocks, use asyncio.to_thread."
import asyncio
import threading

async def main():
    blocked = threading.Event()
    call = asyncio.create_task(asyncio.to_thread(blocked.wait))
    await asyncio.sleep(0)  # let it begin
    print("The loop goes on...")
    blocked.set()
    print(f"The blocking call returns {await call}")

if __name__ == "__main__":
    asyncio.run(main())
