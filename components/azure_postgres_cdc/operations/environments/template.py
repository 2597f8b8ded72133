"""A new stack's file: every key with what it means, placeholders for what a team must say."""

from __future__ import annotations

_TEXT = """\
# Stack {stack}. What stands in <angle brackets> is still to be filled in; what is commented out
# shows the default, or an example where there is none. docs/configuration.md has every key.
#
#   azure-postgres-cdc config check --stack {stack}     says what is missing or wrong
#   pulumi stack init {stack}
#   pulumi config set --stack {stack} --secret adminPassword      the administrator's password
#   pulumi config set --stack {stack} --secret connectorPassword  unless it is to be generated
config:
  # The Azure region of what the stack makes: a server (create), a private endpoint.
  # azure-native:location: westeurope

  {project}:server:
    # existing: a server that is there; its parameters, storage auto-grow and restart are managed.
    # create:   the stack makes the server too, and owns it; `create` below says which.
    # none:     Azure is left alone, the database is made ready all the same; needs connection.host.
    management: existing
    resourceGroup: <the server's resource group>
    name: <the server's name in Azure>
    # subscription: 00000000-0000-0000-0000-000000000000  # azure-native's, or that of az login
    # never: stop where a restart is pending, and say so. when-needed: restart then.
    # Or an object: mode, window, failover, allowPending.
    restart: never
    #   window: {{days: [saturday, sunday], start: "22:00", end: "04:00", timeZone: UTC}}
    # create:
    #   sku: Standard_D2ds_v5
    #   version: 17
    #   storageGiB: 128
    #   highAvailability: Disabled  # SameZone, ZoneRedundant
    #   backupRetentionDays: 7
    #   geoRedundantBackup: false
    #   zone, subnet, privateEndpoint, entra, administrator, tags: docs/azure.md
    # Who is told when storage, WAL or replication run away. Without it, nobody is.
    alerts:
      emails: [<the address of whoever is told>]
      # actionGroup: the resource id of one that is there, instead of emails
      # storagePercent: [80, 90]
      # storageFreeGiB, walGiB, replicationDelayGiB: shares of the storage
      # collector: false  # true: long transactions too (longestTransactionMinutes: 60)
    # Who may reach a server with public access: the connector's addresses, and this one.
    # firewallRules:
    #   connector-1: 203.0.113.10
    # More server parameters. Sets are merged with what the server has, numbers are minimums.
    # parameters:
    #   wal_sender_timeout: 300000
    # pglogical: true  # preload and allow it, as Streamkap's page asks; pgoutput does without
    # keyVault: the resource id of a Key Vault that gets the connectors' passwords
    # The connector's login, and the group role that holds its grants.
    # user: streamkap_user
    # role: streamkap_role
    # formerUsers: []  # logins from before that go on working
    # login: {{bypassRls: false, connectionLimit: -1}}  # and walSenderTimeout, in seconds

  # How PostgreSQL is reached, as the administrator.
  {project}:connection:
    user: <the administrator's login>
    # host: the server's name in Azure
    # port: 5432
    # auth: password  # entra: a token instead of adminPassword; needs tenantId
    # tenantId: 00000000-0000-0000-0000-000000000000
    sslMode: require  # verify-ca and verify-full need sslRootCert; disable: no TLS
    # sslRootCert: /etc/ssl/certs/ca-certificates.crt

  # What is captured. One item a connector; a database may stand here twice, with its own slot.
  {project}:databases:
    - name: <the database>
      # Exactly one of tables, tablesFile (a path from the project), schemas and allTables (true).
      capture:
        tables:
          - <schema.table, as in SQL>
      # Roles whose new tables are to be readable at once. The administrator, and who owns tables.
      # owners: []
      # Keep the slot moving while the captured tables are quiet; not with snapshots: read-only.
      heartbeat: true
      # snapshots: signal-table  # read-only: no signal table (PostgreSQL 13 and later)
      # dropSignalTable: false
      # grants: {{create: true, tables: all, readAllData: false}}
      # Tables without a primary key need one of these three, or UPDATE and DELETE fail on them.
      # replicaIdentityFull: false  # true, or a list of tables
      # replicaIdentityIndex: {{}}  # a table, and its unique index
      # allowWithoutIdentity: []  # tables that rows are only inserted into
      # columns: {{}}  # public.orders: [id, total]
      # rowFilters: {{}}  # public.orders: "total > 0"
      # publish: [insert, update, delete, truncate]
      # publishViaPartitionRoot: true
      # generatedColumns: none  # stored
      # tablesInSchema: false
      # publication: streamkap_pub
      # slot: streamkap_pgoutput_slot
      # createSlot: true
      # slotFailover: true  # PostgreSQL 17 and later, with a standby
      # onDestroy: refuse  # drop, retain
      # acknowledge: []  # words that a refusal of `up` prints
      # acknowledgeLostSlot: the LSN that a refusal names
      # user, role: the server's
      # The rest of the connector's form.
      # connector:
      #   name: the database's
      #   sslMode: require  # disable
      #   ssh: {{host: bastion.example.com, port: 22, user: streamkap}}
      #   signalSchema: streamkap
      #   heartbeatSchema: streamkap
      #   prefixWithDatabaseName: false
      #   binaryHandling: bytes  # base64, base64-url-safe, hex
"""


def new_stack(project: str, stack: str) -> str:
    """The text of a new stack's file."""
    return _TEXT.format(project=project, stack=stack)
