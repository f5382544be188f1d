#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""table.py FOLDER SERVER... - the demo's table, out of iperf3's JSON documents.

Theory: each test left the client's and the server's document in FOLDER, named
ROUND.DIRECTION.SERVER.client.json and .server.json.  Figures of a row are medians over the rounds.
CPU time is what each side's document says it used (percent of its own wall time), per byte that
arrived.
"""
import glob
import json
import os
import statistics
import sys
import textwrap

DIRECTIONS = [("tcp", "TCP, client sends"), ("reverse", "TCP, server sends (-R)"),
              ("udp", "UDP 1460 B, client sends")]
NAMES = {"iperf3": "iperf3 -s", "uring": "weir, plane uring", "epoll": "weir, plane epoll"}


def load(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def one(client, server):
    """The figures of one test, or None where it failed."""
    if not client or client.get("error") or "sum_received" not in client.get("end", {}):
        return None
    end = client["end"]
    received, sent = end["sum_received"], end["sum_sent"]
    giga = received["bytes"] / 1e9
    if not giga:
        return None
    cpu = end["cpu_utilization_percent"]
    row = {
        "rate": received["bits_per_second"] / 1e9,
        "client": cpu["host_total"] / 100 * sent["seconds"] / giga,
        "server": cpu["remote_total"] / 100 * received["seconds"] / giga,
        "moved": giga,
        "retransmits": sent.get("retransmits"),
        "lost": received.get("lost_percent"),
    }
    weir = (server or {}).get("weir")
    if weir:
        row["copied"] = (weir["rx_copied_bytes"] + weir["tx_copied_bytes"]) / 1e9
    return row


def median(rows, key):
    values = [row[key] for row in rows if row.get(key) is not None]
    return statistics.median(values) if values else None


def text(value, form, none="-"):
    return none if value is None else form % value


def errors(rows, failed):
    """Retransmissions or loss, and tests that failed."""
    words = []
    if median(rows, "lost") is not None:
        words.append("%.1f %% lost" % median(rows, "lost"))
    elif median(rows, "retransmits") is not None:
        words.append("%d retr." % median(rows, "retransmits"))
    else:
        words.append("none")
    if failed:
        words.append("%d failed" % failed)
    return ", ".join(words)


def say(words):
    print(textwrap.fill(words, 99))


def main():
    folder, servers = sys.argv[1], sys.argv[2:]
    line = "%-26s %-19s %8s %9s %9s %10s  %s"
    print(line % ("", "", "", "CPU s/GB", "CPU s/GB", "GB copied", ""))
    print(line % ("direction", "server", "Gbit/s", "client", "server", "of moved", "errors"))
    print("-" * 99)
    bad = 0
    for direction, title in DIRECTIONS:
        for server in servers:
            rows, failed = [], 0
            pattern = os.path.join(folder, f"*.{direction}.{server}.client.json")
            for path in sorted(glob.glob(pattern)):
                row = one(load(path), load(path.replace(".client.", ".server.")))
                if row:
                    rows.append(row)
                else:
                    failed += 1
            bad += failed
            copied, moved = median(rows, "copied"), median(rows, "moved")
            print(line % (title, NAMES.get(server, server), text(median(rows, "rate"), "%.2f"),
                          text(median(rows, "client"), "%.4f"),
                          text(median(rows, "server"), "%.4f"),
                          "all" if copied is None and rows else
                          "%s/%s" % (text(copied, "%.2f"), text(moved, "%.2f")),
                          errors(rows, failed)))
            title = ""
        print()
    say("Reading it: the client is the same in every row, so compare within a direction; more "
        "Gbit/s and fewer CPU seconds per GB are better; loss on UDP is what the receiver could "
        "not keep up with (weir takes the largest socket buffer it may have, iperf3 the default).")
    auto = (load(os.path.join(folder, "auto.json")) or {}).get("weir", {})
    say("Left to itself weir takes plane %s here: %s." % (
        auto.get("plane", "?"), auto.get("why", "no answer").split(": ", 1)[-1]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
