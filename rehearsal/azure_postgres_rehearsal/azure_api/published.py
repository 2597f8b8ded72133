"""What Microsoft's tables of server parameters say of those that PostgreSQL alone would let be set.

From the parameters of version 17 in Microsoft's documentation, which is made from the service
(github.com/MicrosoftDocs/azure-databases-docs, articles/postgresql/server-parameters/includes).
They hold for the other versions too, as far as those have them.
"""

from __future__ import annotations

_READ_ONLY = """
archive_timeout authentication_timeout bonjour bonjour_name checkpoint_flush_after
client_connection_check_interval compute_query_id createrole_self_grant data_sync_retry
db_user_namespace default_table_access_method dynamic_shared_memory_type enable_async_append
enable_memoize enable_parallel_hash enable_partition_pruning event_source gss_accept_delegation
huge_page_size icu_validation_level io_combine_limit krb_caseins_users krb_server_keyfile
lc_messages lc_time local_preload_libraries log_executor_stats log_parser_stats
log_planner_stats log_replication_commands log_rotation_age log_rotation_size
log_startup_progress_interval log_timezone log_transaction_sample_rate log_truncate_on_rotation
max_files_per_process max_notify_queue_pages max_pred_locks_per_transaction max_stack_depth
min_dynamic_shared_memory parallel_leader_participation recovery_init_sync_method
recovery_prefetch recursive_worktable_factor reserved_connections restart_after_crash
restrict_nonsystem_relation_kind scram_iterations stats_fetch_consistency
superuser_reserved_connections synchronous_commit syslog_facility syslog_ident
syslog_sequence_numbers syslog_split_messages timezone_abbreviations track_wal_io_timing
transaction_deferrable transaction_isolation transaction_read_only update_process_title
wal_decode_buffer_size wal_init_zero wal_keep_size wal_log_hints wal_recycle
wal_retrieve_retry_interval wal_skip_threshold wal_summary_keep_time
"""
READ_ONLY = frozenset(_READ_ONLY.split())
"""Fixed by Azure, besides what its categories say."""

WRITABLE = frozenset(
    {"debug_parallel_query", "ssl_max_protocol_version", "ssl_min_protocol_version"}
)
"""Not fixed, although all others of their category are."""

BOUNDS = {
    "autovacuum_work_mem": ("-1", "2097151"),
    "maintenance_work_mem": ("1024", "2097151"),
    "max_connections": ("25", "5000"),
    "max_parallel_maintenance_workers": ("0", "64"),
    "max_wal_size": ("32", "65536"),
    "min_wal_size": ("32", "2097151"),
    "work_mem": ("4096", "2097151"),
}
"""Narrower than PostgreSQL's own."""

CHOICES = {
    "ssl_max_protocol_version": ("", "TLSv1.2", "TLSv1.3"),
    "ssl_min_protocol_version": ("TLSv1.2", "TLSv1.3"),
    "wal_compression": ("pglz", "lz4", "on", "off"),
}
"""Fewer than PostgreSQL's own."""

_LIBRARIES = (
    "anon,auto_explain,azure_storage,credcheck,pg_cron,pg_duckdb,pg_hint_plan,pg_partman_bgw,"
    "pg_prewarm,pg_squeeze,pg_stat_statements,pgaudit,pglogical,timescaledb,wal2json"
)


def libraries(major: int) -> tuple[str, ...]:
    """What `shared_preload_libraries` may have."""
    own = [] if major == 17 else ["age"]
    own += ["pg_failover_slots"] if major <= 16 else []
    own += ["pg_ivm"] if major >= 18 else []
    return tuple(sorted((*_LIBRARIES.split(","), *own)))
