"""How gunicorn serves one service. An operator changes it without editing: GUNICORN_CMD_ARGS="--workers 4 --threads 16".

Must not open anything: a connection made here would be shared by forked workers.
"""

from typing import Any

from shared.runtime.metrics import forget_process

bind = "0.0.0.0:8000"  # the container's own network; which host port leads here is compose's or the cluster's business
#: Two processes survive the death of one; threads, because a request mostly waits for its database.
workers = 2
worker_class = "gthread"
threads = 8
#: Heartbeat files on a disk can stall a healthy worker; shared memory cannot.
worker_tmp_dir = "/dev/shm"  # noqa: S108 - memory; gunicorn makes the names
#: A worker that is silent for so many seconds is replaced.
timeout = 30
#: Seconds in which requests under way may end after SIGTERM. The container's grace period (40 s) is longer.
graceful_timeout = 25
#: Longer than nginx keeps an idle connection, so that the gateway never writes into one that is being closed.
keepalive = 75
#: Bounds what a leak could cost; the spread keeps both workers from leaving at once.
max_requests = 20_000
max_requests_jitter = 2_000
#: Which X-Forwarded-For counts is decided by the application, which knows its own proxies.
forwarded_allow_ips = ""
#: The application writes one structured line per request.
accesslog = None
errorlog = "-"


def child_exit(_server: Any, worker: Any) -> None:
    """Drop the gauges of a web process that has ended."""
    forget_process(worker.pid)
