#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""table.py FOLDER [--vm] SERVER... - the demo's table, out of iperf3's JSON documents.

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
VM_DIRECTIONS = [("vm", "TCP, client sends")]
NAMES = {"iperf3": "iperf3 -s", "uring": "weir, plane uring", "epoll": "weir, plane epoll",
         "zcrx": "weir, plane zcrx"}


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


def placed(folder, name):
    """What the test NIC wrote into the server's memory, in GB; None where nobody counted."""
    try:
        with open(os.path.join(folder, name + ".placed"), encoding="utf-8") as file:
            return int(file.read()) / 1e9
    except (OSError, ValueError):
        return None


def rows_of(folder, direction, server):
    """The tests of one row that went well, and the number of those that did not."""
    rows, failed = [], 0
    for path in sorted(glob.glob(os.path.join(folder, f"*.{direction}.{server}.client.json"))):
        row = one(load(path), load(path.replace(".client.", ".server.")))
        if row:
            row["placed"] = placed(folder, os.path.basename(path)[:-len(".client.json")])
            rows.append(row)
        else:
            failed += 1
    return rows, failed


def of_moved(rows, key, none):
    """Gigabytes, of those that were moved; in the VM they are few, and get three digits."""
    value, moved = median(rows, key), median(rows, "moved")
    if value is None:
        return none if rows else "-"
    form = "%.2f/%.2f" if moved >= 1 else "%.3f/%.3f"
    return form % (value, moved)


def table(folder, servers, directions, has_nic):
    """Print it; the number of tests that failed."""
    line = "%-26s %-19s %8s %9s %9s %11s %11s  %s" if has_nic else \
        "%-26s %-19s %8s %9s %9s %11s%.0s  %s"
    print(line % ("", "", "", "CPU s/GB", "CPU s/GB", "GB copied", "GB placed", ""))
    print(line % ("direction", "server", "Gbit/s", "client", "server", "of moved", "by the NIC",
                  "errors"))
    print("-" * (111 if has_nic else 99))
    bad = 0
    for direction, title in directions:
        for server in servers:
            rows, failed = rows_of(folder, direction, server)
            bad += failed
            print(line % (title, NAMES.get(server, server), text(median(rows, "rate"), "%.2f"),
                          text(median(rows, "client"), "%.4f"),
                          text(median(rows, "server"), "%.4f"),
                          of_moved(rows, "copied", "all"), of_moved(rows, "placed", "-"),
                          errors(rows, failed)))
            title = ""
        print()
    return bad


def vm(folder, servers):
    """The part with a NIC: what a server on the plane zcrx says, and what the NIC says."""
    bad = table(folder, servers, VM_DIRECTIONS, True)
    for path in sorted(glob.glob(os.path.join(folder, "*.zcrx.server.json")))[-1:]:
        weir = (load(path) or {}).get("weir", {})
        say("weir's server chose plane %s by itself: %s. Of %d bytes the kernel copied %d; "
            "the NIC's own counter is the column on the right." % (
                weir.get("plane", "?"), weir.get("why", "no answer").split(": ", 1)[-1],
                weir.get("rx_bytes", 0), weir.get("rx_copied_bytes", -1)))
    say("The NIC is weir's test NIC, a kernel module: its \"DMA\" is a copy by the client's CPU, "
        "and the processors are emulated, so these rates are no NIC's. What holds is where bytes "
        "went, and the server's CPU time beside its neighbours'.")
    return 1 if bad else 0


def main():
    folder, servers = sys.argv[1], sys.argv[2:]
    if servers[0] == "--vm":
        return vm(folder, servers[1:])
    bad = table(folder, servers, DIRECTIONS, False)
    say("Reading it: the client is the same in every row, so compare within a direction; more "
        "Gbit/s and fewer CPU seconds per GB are better; loss on UDP is what the receiver could "
        "not keep up with (weir takes the largest socket buffer it may have, iperf3 the default).")
    auto = (load(os.path.join(folder, "auto.json")) or {}).get("weir", {})
    say("Left to itself weir takes plane %s here: %s." % (
        auto.get("plane", "?"), auto.get("why", "no answer").split(": ", 1)[-1]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
