"""Keeps a list of an alliance's members from its events, with a queue of its own. Needs: pip install aio-pika

python subscriber.py amqp://county-zz:PASSWORD@alliance.example.org:5672/lianmeng members.sqlite
"""

import asyncio
import json
import sqlite3
import sys

import aio_pika

QUEUE = "county-zz.members"  # a queue's name begins with the name of the user


def take(database: sqlite3.Connection, event: dict) -> None:
    """Write an event down, once however often it comes: its id and its effect in one transaction."""
    with database:
        new = database.execute("INSERT OR IGNORE INTO taken VALUES (?)", [event["id"]]).rowcount
        if new:
            member = event["data"]
            database.execute("INSERT INTO members VALUES (?, ?)", [member["number"], member["unit_name"]])


async def main(url: str, file: str) -> None:
    """Take what has come since the last time, then what comes."""
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE IF NOT EXISTS taken (id TEXT PRIMARY KEY)")
    database.execute("CREATE TABLE IF NOT EXISTS members (number TEXT, unit_name TEXT)")
    connection = await aio_pika.connect_robust(url)  # connects again after every loss
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=50)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind("alliance.events", "membership.member.admitted")
        async with queue.iterator() as messages:
            async for message in messages:
                take(database, json.loads(message.body))
                await message.ack()  # only now: what is not acknowledged comes again


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
