"""How the embedded server is set, and the two little scripts that start it."""

from collections.abc import Mapping

SETTINGS: Mapping[str, str] = {
    # reachable by the socket only
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # accepted means kept
    "fsync": "on",
    "synchronous_commit": "on",
    # two cores, shared with the hub's own processes
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    # one time zone everywhere
    "timezone": "UTC",
    "log_timezone": "UTC",
    # no statement and no value may reach the log or the activity view; an ERROR quotes what it choked on
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "track_activity_query_size": "256",
    # one log file per weekday, overwritten a week later
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
}

# The shell stays beside the server and asks it to stop when the pipe on its input closes, that is when
# whoever started it has ended, in whatever way. A death signal would come from the starting *thread*.
SUPERVISED = """
ulimit -c 0
exec 3<&0
"$@" </dev/null 3<&- & server=$!
(read -r ended; kill -INT "$server") <&3 2>/dev/null & watch=$!
exec 3<&-
wait "$server"
kill "$watch"
"""
DETACHED = """
ulimit -c 0
"$@" </dev/null &
"""
