# The article uses aiohttp and www.example.com; this does the same with asyncio alone, from a server
# of its own, so that it runs anywhere.
import asyncio

async def serve(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.0 200 OK\r\n\r\n<!doctype html><title>Example Domain</title>")
    writer.close()

async def fetch_url(host, port):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    response = (await reader.read()).decode()
    writer.close()
    return response.split("\r\n\r\n", 1)[1]

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    content = await fetch_url(*server.sockets[0].getsockname())
    print(f"Fetched content: {content[:31]}...")

if __name__ == "__main__":
    asyncio.run(main())
