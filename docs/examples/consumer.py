#!/usr/bin/env python3
"""Print audit events from NATS as they arrive, with nothing but Python's standard library.

    python3 docs/examples/consumer.py --subject 'audit.*.*.ssm.>'

It subscribes with core NATS: it sees what is published while it is connected, and misses the rest. To go on where
you stopped, use a durable JetStream consumer (consumer-go beside this file, or the nats.py library).
"""

import argparse
import json
import socket
import sys


def main():
    args = parse_args()
    sys.stdout.reconfigure(encoding="utf-8")
    with socket.create_connection((args.host, args.port)) as conn:
        stream = conn.makefile("rb")
        stream.readline()  # INFO {...}
        options = {"verbose": False, "headers": True, "name": "consumer.py", "lang": "python", "version": "1"}
        if args.user:
            options.update(user=args.user, password=args.password)
        send(conn, "CONNECT " + json.dumps(options))
        send(conn, f"SUB {args.subject} {args.queue} 1" if args.queue else f"SUB {args.subject} 1")
        send(conn, "PING")

        left = args.count
        for headers, subject, payload in messages(conn, stream):
            event = payload.decode().replace("\n", " ").replace("\r", " ")  # JSON; json.loads(payload) makes a dict
            print(subject, headers.get("Nats-Msg-Id", ""), event, sep="\t", flush=True)
            left -= 1
            if left == 0:
                return


def messages(conn, stream):
    """Yield (headers, subject, payload) of each message."""
    while True:
        line = stream.readline()
        if not line:
            sys.exit("the server has closed the connection")
        verb, *rest = line.decode().split()
        if verb == "PING":
            send(conn, "PONG")
        elif verb == "PONG":  # to the PING after SUB: the subscription is active
            print("subscribed", file=sys.stderr, flush=True)
        elif verb == "MSG":  # MSG subject sid [reply] size
            yield {}, rest[0], stream.read(int(rest[-1]) + 2)[:-2]
        elif verb == "HMSG":  # HMSG subject sid [reply] header-size total-size
            header_size, size = int(rest[-2]), int(rest[-1])
            block = stream.read(size + 2)[:-2]
            yield parse_headers(block[:header_size]), rest[0], block[header_size:]
        elif verb == "-ERR":
            sys.exit(line.decode().strip())


def parse_headers(block):
    """NATS/1.0, then one "Name: value" a line."""
    lines = block.decode().split("\r\n")[1:]
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


def send(conn, line):
    conn.sendall(line.encode() + b"\r\n")


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=4222)
    p.add_argument("--subject", default="audit.>")
    p.add_argument("--queue", help="queue group: its members share the events")
    p.add_argument("--user")
    p.add_argument("--password", default="")
    p.add_argument("--count", type=int, default=0, help="end after this many events")
    return p.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
