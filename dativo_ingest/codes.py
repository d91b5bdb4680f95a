"""Every error code: what it means and what to do. A test finds a code that is raised and is missing here."""

from __future__ import annotations

CODES: dict[str, tuple[str, str]] = {
    # code: (what it means, what to do). docs/errors.md is made from this table.
    "ACCESS_DENIED": (
        "A store or the disk refused the credentials or the permission.",
        "Check the keys of `connection` and what they may do; on disk, owner and mode of the file.",
    ),
    "AUDIT_UNSUPPORTED": (
        "A target has no branches, so that a run cannot be audited before it is seen.",
        "Leave `publish: audited` out, or write to Iceberg.",
    ),
    "AUTHENTICATION_FAILED": (
        "The other side refused the credentials.",
        "Check user, key or token, and that the secret it comes from is the current one.",
    ),
    "AUDIT_FAILED": (
        "A check failed on the branch that an audited run committed to; nothing of it was published.",
        "Look at the rows on the branch in the message, mend the source or the contract, and run again.",
    ),
    "BAD_COLUMN_NAME": (
        "A database would cut a column's name, or take it for another's.",
        "Give the column another name in the contract.",
    ),
    "BAD_CONTRACT": (
        "A contract file says something that cannot be.",
        "Go to each file, line and column in the message and change what it names.",
    ),
    "BAD_CSV": (
        "From some line on, a file is no CSV.",
        "Look at the line in the message; check delimiter, quotes and escapes of the source.",
    ),
    "BAD_CURSOR": (
        "What was given as a cursor is none of this stream's.",
        "Give a value of the cursor column, or all of the cursor as `dativo state show --json` prints it.",
    ),
    "BAD_ENCODING": (
        "Bytes of a text file are not in its encoding.",
        "Set `encoding` of the source to what the file is in, or mend the file at the byte in the message.",
    ),
    "BAD_EXEMPTION": (
        "An exemption from a check of the conformance suite names no check, or gives no reason.",
        "Name a check of the report, and write why the plugin cannot keep its promise.",
    ),
    "BAD_FIXED_FILE": (
        "A file of mended rows for `dativo replay --fixed` has a line that is none.",
        "Go to the line in the message; write lines in the form that `--export` gives.",
    ),
    "BAD_JOB": (
        "A job file says something that cannot be.",
        "Go to each file, line and column in the message and change what it names; `dativo validate` looks again.",
    ),
    "BAD_JSON": (
        "A JSON array has no end, or text behind it.",
        "The file is most likely cut short: fetch it again. One object a line is read line by line instead.",
    ),
    "BAD_MODE": (
        "The mode of a deployment is neither `self_hosted` nor `cloud`.",
        "Set `DATIVO_MODE`, or `mode` of the resource `places`, to one of the two.",
    ),
    "BAD_OPTION": (
        "An option of the command line is not of its form.",
        "Write it as the message says.",
    ),
    "BAD_PARQUET": (
        "A file is no readable Parquet file.",
        "Fetch it again if it was cut short; else correct `format` or the path.",
    ),
    "BAD_PARTITION": (
        "A partition field names no column, or a transform that the column's type does not have.",
        "Compare `target.partitioning` with the columns of the contract.",
    ),
    "BAD_PARTITION_VALUE": (
        "A partition column has a value that the table format takes for NULL.",
        "Partition by another column, or refuse the value in the contract.",
    ),
    "BAD_PLACE": (
        "A setting of the place where a plugin runs cannot be understood, or is not one.",
        "The message names the setting and what it may be.",
    ),
    "BAD_PLUGIN": (
        "A job names a plugin in a form that is none.",
        "Write `path.py:Class`, `library.so:function` or `native:NAME`.",
    ),
    "BAD_QUERY": (
        "The database refused a query.",
        "Mend `query`, or the names in `tables`; the message has the server's words.",
    ),
    "BAD_RULE": (
        "A rule of a contract does not fit the type of its column.",
        "Change the rule or the type as the message says; patterns are RE2.",
    ),
    "BAD_SLICE": (
        "A column cannot be cut into parts of time, or the table does not have it.",
        "Use `keys` in place of `every`, or another column.",
    ),
    "BAD_TABLE_NAME": (
        "An Iceberg table is named namespace.table.",
        "Write `target.table` as namespace.table.",
    ),
    "BAD_TRANSFORM": (
        "A partition transform is unknown.",
        "Use identity, year, month, day, hour, bucket[n] or truncate[n].",
    ),
    "BAD_TYPE": (
        "A contract names a type that there is not.",
        "Take the type that the message proposes.",
    ),
    "BAD_RUNNER": (
        "A runner file says something that cannot be.",
        "Go to each file, line and column in the message and change what it names.",
    ),
    "BAD_VALUE": (
        "The database met a value that it cannot give as asked.",
        "Mend the value, the query or the type in the contract; the message names it.",
    ),
    "BAD_YAML": (
        "A file is not YAML that we read: its syntax, a key twice, or a size beyond all reason.",
        "Go to the file, line and column in the message.",
    ),
    "BROKEN_ARCHIVE": (
        "A gzip or zstd file is damaged or cut short.",
        "Fetch it again; say `compression: none` if it is not compressed at all.",
    ),
    "BUCKET_NOT_FOUND": ("The bucket does not exist.", "Create it, or correct its name in the path or the connection."),
    "CANCELLED": (
        "A plugin was asked to stop, because the run was interrupted or another part of it failed.",
        "Look at what failed first; run again.",
    ),
    "CATALOG_FAILED": (
        "The Iceberg catalog answered with an error.",
        "Read the catalog's own message; `dativo check` repeats the question.",
    ),
    "CATALOG_INCOMPLETE": (
        "The Iceberg catalog is not described completely.",
        "Add what the message names under `target.catalog`.",
    ),
    "CATALOG_UNAVAILABLE": (
        "The Iceberg catalog answers with a server error.",
        "Nothing: Dagster tries again. Look at the catalog's log if it lasts.",
    ),
    "CATALOG_UNREACHABLE": (
        "The Iceberg catalog cannot be reached.",
        "Check `target.catalog.uri` and the network.",
    ),
    "COLUMNS_DIFFER": (
        "Files that are to be one stream have other columns.",
        "Make a job for each kind of file.",
    ),
    "COLUMN_NOT_FOUND": (
        "A table at the source lacks a column of the contract or of the job.",
        "Mend the contract, or the column's name at the source.",
    ),
    "COMMIT_CONFLICT": (
        "Others commit to the table so often that the run's own commit never came through.",
        "Run again; nothing is written twice. Let fewer jobs write to one table at once.",
    ),
    "COMMIT_FAILED": (
        "The target did not take the commit; nothing of the run is visible.",
        "Read the cause in the message; run the job again, it repeats nothing that landed.",
    ),
    "COMMIT_REFUSED": (
        "The catalog refuses the commit.",
        "Read its message: permissions, or a table that was dropped meanwhile.",
    ),
    "COMMIT_UNKNOWN": (
        "The catalog was lost during the commit, so nobody knows yet whether it landed.",
        "Run again: the token in the table tells, and nothing is written twice.",
    ),
    "CONFIGURATION_ERROR": (
        "A job, recipe or contract says something that cannot be.",
        "Go to the file, line and column in the message and change what it names.",
    ),
    "CONNECTION_FAILED": (
        "The system cannot be reached.",
        "Check host, port and network; `dativo check` tells which side.",
    ),
    "CONNECTION_LOST": (
        "The database ended a connection while it was read.",
        "Run again; look at the server's log when it happens often.",
    ),
    "CURSOR_UNUSABLE": (
        "A cursor column, an option for it or a remembered cursor cannot tell what is new.",
        "Choose another `cursor_field`, or set the state anew with `dativo state`; the message says what does not fit.",
    ),
    "DATABASE_LOCKED": (
        "Another process has the DuckDB file open.",
        "Let it close the file; one process at a time may write to it.",
    ),
    "DATABASE_NOT_FOUND": (
        "The server has no such database.",
        "Check `database` and its spelling.",
    ),
    "DATABASE_UNREACHABLE": (
        "The file of a database cannot be read or written.",
        "Check the disk, and owner and mode of the file.",
    ),
    "DOCKER_REFUSED": (
        "The Docker engine refused what a place asked of it.",
        "Do what the message says: it has the engine's words.",
    ),
    "DOCKER_REMOTE": (
        "The Docker engine is on another machine, and the job needs a socket, a file or a folder of this one.",
        "Leave out `transport: socket` and `mounts`, or run the job where the engine is.",
    ),
    "DOCKER_UNAVAILABLE": (
        "A plugin is to run in a container, and no Docker engine answers.",
        "Start it: `docker info` must work for this user. Or choose another place.",
    ),
    "DUPLICATE_COLUMN": (
        "The source has two columns with one name.",
        "Give each column of the source its own name.",
    ),
    "DUPLICATE_FILE_ID": (
        "Two files of a source have one id, and the cursor knows files by it.",
        "Give each its own `id`, or none.",
    ),
    "DUPLICATE_JOB": (
        "Two jobs of a tenant have one name, or two streams one table; neither is loaded.",
        "Both files are in the message: rename one, or give it another `target.table`.",
    ),
    "ENCODING_NOT_SUPPORTED": (
        "The CSV reader in Rust reads UTF-8 and no other encoding.",
        "Use `connector: csv`, which reads any encoding, or convert the file.",
    ),
    "ENDLESS_READER": (
        "A reader gives more than `source.limits` allows, or the same batch over and over.",
        "Mend the reader's end; raise the limit that the message names if so much is right.",
    ),
    "FILE_CHANGED": ("A file changed between planning and reading.", "Nothing: Dagster tries again with the new file."),
    "FILE_EXISTS": (
        "The command would overwrite a file.",
        "Choose another name or folder, or remove the file.",
    ),
    "FILE_NOT_FOUND": (
        "A file of a source is not there, or a glob matches nothing.",
        "Check the path and its spelling; set `allow_empty: true` if a glob may match nothing.",
    ),
    "FOLDER_TAKEN": (
        "A folder of Parquet files belongs to another table.",
        "Give each table its own `path`, or `warehouse` in place of it; to rename a table, edit its manifest.",
    ),
    "FUNCTION_CRASHED": (
        "An instance of a cloud function ended without a reply, or with one that is none.",
        "Look at the function's log in the cloud; Dagster tries again by itself.",
    ),
    "FUNCTION_DENIED": (
        "The host may not invoke, make or change a cloud function.",
        "Grant the permission in the message, or correct the credentials.",
    ),
    "FUNCTION_IDLE": (
        "A function ended because its host took or sent no rows for `idle_seconds`.",
        "Nothing if the host was killed; else raise `idle_seconds` of the place. Dagster tries again by itself.",
    ),
    "FUNCTION_LIMIT": (
        "Something is larger or longer than a cloud function takes.",
        "Make it smaller as the message says; it was not sent.",
    ),
    "FUNCTION_NOT_DEPLOYED": (
        "A cloud could not build or start the function of a plugin.",
        "What the cloud said is in the message: most often a requirement that it cannot install, or a service account.",
    ),
    "FUNCTION_NOT_READY": (
        "A function was deployed and did not become active in time.",
        "Read the reason in the message; raise `start_seconds` of the place.",
    ),
    "FUNCTION_REFUSED": (
        "The cloud does not take a function with these settings, or did not start it.",
        "Read its words in the message, and correct the settings of the place.",
    ),
    "FUNCTION_ROWS_LOST": (
        "The rows that came from a cloud function, or went to it, are not those that were sent.",
        "Nothing of them is committed; run again, and look whether something else writes or deletes there.",
    ),
    "FUNCTION_THROTTLED": (
        "The cloud runs as many invocations as it may.",
        "Run fewer units at once, or have the quota raised; Dagster tries again by itself.",
    ),
    "FUNCTION_TIMEOUT": (
        "A verb took longer than an invocation of a cloud function may. The same would, if it were tried again.",
        "Cut the stream into smaller units, or raise `timeout_seconds` of the place.",
    ),
    "FUNCTION_UNREACHABLE": (
        "The cloud that runs a function does not answer.",
        "Check the network and the endpoint; Dagster tries again by itself.",
    ),
    "GLIBC_TOO_NEW": (
        "A library or program was built against a newer glibc than the function's runtime has.",
        "Build it for the version in the message with cargo-zigbuild or an older container, or take a newer runtime.",
    ),
    "HOST_OUT_OF_DISK": (
        "The disk that a writer in a container lays its files on has less than `place.free_disk_mb` left.",
        "Make room there, or set `TMPDIR` of the host to a folder on a larger disk; Dagster tries again by itself.",
    ),
    "IMAGE_MISSING": (
        "The Docker engine has no such image and cannot pull it.",
        "Load it with `docker load` or pull it, or name another `image`.",
    ),
    "IMAGE_UNFIT": (
        "No image for plugins can be built from what the job names.",
        "Give an `image` with Python and pyarrow, and `requirements` that pip finds; the message tells more.",
    ),
    "INCOMPLETE_CREDENTIALS": (
        "Only one half of a key pair is there.",
        "Give access_key_id and secret_access_key, or neither to use the ordinary AWS chain.",
    ),
    "LIBRARY_UNREADABLE": (
        "A file that is to be packed for a function is no library of Linux, or cut short.",
        "Build or fetch it again.",
    ),
    "MERGE_BAD_HISTORY": (
        "A table that is to keep history has several rows of one key that hold since the same moment.",
        "Choose a key that tells its rows apart, or a new table; rows from before it kept history have no moment.",
    ),
    "MERGE_DUPLICATE_KEYS": (
        "A run has several differing rows with one key, and nothing says which of them counts.",
        "Name a column in `order_by` that tells them apart, or add what is missing to `key`.",
    ),
    "MERGE_NOT_WHOLE": (
        "`delete_missing` is said of a run that did not read all of the source.",
        "Use `deleted_column`, or a source that is read whole.",
    ),
    "MERGE_NULL_KEY": (
        "Rows have NULL in their key.",
        "Make the columns `required` in the contract, so that such rows are rejected, or choose another key.",
    ),
    "MERGE_NULL_ORDER": (
        "Rows of a table that keeps history do not say since when they hold.",
        "Make the column of `order_by` `required` in the contract, or leave `order_by` out.",
    ),
    "MERGE_REJECTED_ROWS": (
        "Rows were rejected in a run with `delete_missing`, which would take them for deleted.",
        "Correct the rows or the contract, and run again.",
    ),
    "MODE_UNSUPPORTED": (
        "A target cannot write in this mode.",
        "Take one of the modes in the message, or another target; docs/targets.md has them all.",
    ),
    "MOUNT_MISSING": (
        "A place is to give a plugin a path that is not there.",
        "Correct the path under `mounts`.",
    ),
    "NOTHING_TO_SEE": (
        "A file has no columns that could be told from a sample.",
        "Write the contract by hand, or look at another file.",
    ),
    "NOT_A_FILE": (
        "A path names a folder where a file is expected.",
        "Name the files, or use a glob such as `folder/*.csv`.",
    ),
    "NOT_A_FOLDER": (
        "A path to write to goes through what is no folder.",
        "Correct the path, or move away what is there.",
    ),
    "NOT_A_PLUGIN": (
        "A library exports no symbol of a plugin, or not the one that the job names.",
        "Name the right library and symbol; the message lists what was looked for.",
    ),
    "NOT_CONFIRMED": (
        "A command would do something that cannot be taken back.",
        "Read what the message says of it, and add `--yes`.",
    ),
    "NO_COLUMN_NAMES": (
        "A CSV file without a header, and nothing that names its columns.",
        "List them under `columns` of the source, or give the contract fields.",
    ),
    "NO_CREDENTIALS": (
        "Nothing gives credentials for AWS.",
        "Put keys into the connection or the environment, use a profile or a role, or say `anonymous: true`.",
    ),
    "NO_HEADER": (
        "A CSV file is empty, it has not even a header.",
        "Fetch it again if it was cut short; say `header: false` if such files have none.",
    ),
    "NO_DRIVER": (
        "The driver of a database is not installed, or cannot be loaded.",
        "Install the package that `driver` or `url` names, and check the spelling.",
    ),
    "NO_LOGICAL_TYPE": (
        "The source has a column of a type that no contract can say.",
        "Convert the column at the source, or leave it out.",
    ),
    "NO_PARTITIONS": (
        "A part of a stream was named that has none, or none, or several in one run, of one that is cut into parts.",
        "Say `--partition`, `--partitions` or `--missing` where there are parts; in Dagster launch a backfill.",
    ),
    "NO_REPLICA": (
        "`read_replica` is set, and none of the hosts is a replica.",
        "Name a replica under `host`, or drop the option.",
    ),
    "NO_SUCH_FILE": (
        "A file that is named, on the command line or in another file, cannot be read.",
        "Mend the path: it starts at the working directory, or else at the file that names it.",
    ),
    "NO_SUCH_JOB": (
        "No job has that name or path.",
        "Use one of the names in the message, or the path of a job file.",
    ),
    "NO_SUCH_STREAM": (
        "The job has no stream of that name.",
        "Use one of the names in the message.",
    ),
    "NO_TABLE": (
        "A state is kept in its table, and there is no table yet.",
        "Run the job once, or say `start` in `incremental`.",
    ),
    "NULL_CURSORS": (
        "Rows have no value in the cursor column, so that no window would read them.",
        "Fill the column, or say in `null_cursor` what becomes of them.",
    ),
    "ORPHANS_UNKNOWN": (
        "The catalog has branches of its own, so that nobody here knows which files are nobody's.",
        "Use the catalog's own garbage collection, such as Nessie's.",
    ),
    "OUTSIDE_SLICE": (
        "A run of one partition read rows of another; the next run of it would add them once more.",
        "Give the partitions the `timezone` that the source keeps its times in, or mend the query.",
    ),
    "PACKAGE_TOO_LARGE": (
        "A plugin with its requirements does not fit a function.",
        "Require fewer packages, or give the place an `image` that has them.",
    ),
    "PARTITIONING_DIFFERS": (
        "The table is partitioned in another way than the job says.",
        "Say in the job what the table has, or write to a new table.",
    ),
    "PERMISSION_DENIED": (
        "The database's user may not do what the job asks.",
        "Let an owner GRANT what the message names.",
    ),
    "PLACE_CONFLICT": (
        "A job says twice where a plugin runs: `place` and `cloud_execution`, or a sandbox and no container.",
        "Take out one of them; no weaker place is ever taken by itself.",
    ),
    "PLACE_UNSUPPORTED": (
        "A place cannot do that: files of a function need a bucket, and old import paths know certain calls only.",
        "Follow the message; no weaker place is ever taken by itself.",
    ),
    "PLATFORM_MISSING": (
        "Something that only the platform can do, and only the SDK is installed.",
        "`pip install dativo-dagster`.",
    ),
    "PLUGIN_BAD_ANSWER": (
        "A native plugin answered in a way that its ABI does not have.",
        "It is a bug of the plugin, or of what it was built with: send its author the message.",
    ),
    "PLUGIN_BAD_BATCH": (
        "A reader gave something that is neither a page of rows nor Arrow.",
        "Yield lists of dicts, or objects with `__arrow_c_stream__`.",
    ),
    "PLUGIN_BAD_DATA": (
        "A native plugin gave rows that are broken Arrow or JSON; none of them was kept.",
        "It is a bug of the plugin: send its author the message.",
    ),
    "PLUGIN_BAD_FILE": (
        "A file of a custom writer is not what the table asked for: unreadable, or with other columns.",
        "Nothing of it is in the table. Report it to the author of the writer.",
    ),
    "PLUGIN_BAD_RESULT": (
        "A plugin's method returned something of another shape than agreed.",
        "The message says which shape; `dativo plugin test` looks at all of them.",
    ),
    "PLUGIN_BAD_ROW": (
        "A row of a plugin has keys that cannot name columns.",
        "Use text as keys.",
    ),
    "PLUGIN_CLASS_MISSING": (
        "A plugin's file has no class of the name that the job says.",
        "Use one of the names in the message.",
    ),
    "PLUGIN_CRASHED": (
        "A plugin ended its process: a signal such as SIGSEGV or SIGABRT, or a call of exit.",
        "Its last output, if it had any, is in the message. It is a bug of the plugin: the same rows will do it again.",
    ),
    "PLUGIN_ERROR": ("A plugin broke its own contract or crashed.", "Read the plugin's own message in the details."),
    "PLUGIN_FAILED": (
        "A plugin raised an error of its own.",
        "Mend the plugin at the line in the message; Dagster and `dativo run --debug` show how it came there.",
    ),
    "PLUGIN_HUNG": (
        "A plugin gave nothing at all for `idle_seconds`.",
        "Dagster tries again. Raise `place.idle_seconds` if the source may be silent for so long.",
    ),
    "PLUGIN_IMPORT_FAILED": (
        "A plugin's file cannot be imported.",
        "Mend the line it names, or install the package: in a container or function by `requirements` of the place.",
    ),
    "PLUGIN_KILLED": (
        "Somebody, or the system for want of memory, ended the process of a plugin.",
        "Dagster tries again. Look into the system's log; give the machine more memory or the job fewer units at once.",
    ),
    "PLUGIN_LOAD_FAILED": (
        "A library cannot be loaded.",
        "Do what the message says: build it, build it for this system, or install what it needs.",
    ),
    "PLUGIN_LOST_ROWS": (
        "A writer says that it wrote fewer or more rows than it was given.",
        "Correct the writer: the `record_count` of what it returns must add up to the rows it got.",
    ),
    "PLUGIN_MODE": (
        "A custom writer that commits by itself is to overwrite; it can only append.",
        "Leave `mode` out, or name a `connector` whose table commits what the writer lays down.",
    ),
    "PLUGIN_NOT_FOUND": (
        "There is no file where a job says that a plugin is.",
        "Mend the path: it starts at the working directory, or else at the job file. A library must be built first.",
    ),
    "PLUGIN_OUT_OF_DISK": (
        "A writer in a container laid down more than `place.output_disk_mb`, or far too many files.",
        "Raise the limit, or give the writer smaller units.",
    ),
    "PLUGIN_OUT_OF_MEMORY": (
        "A plugin used more memory than `place.memory_mb`.",
        "Raise the limit, or let the plugin give smaller batches.",
    ),
    "PLUGIN_PANIC": (
        "A native plugin panicked; the instance is not used any more.",
        "It is a bug of the plugin: the same rows will do it again. Its author needs the message.",
    ),
    "PLUGIN_POISONED": (
        "A native plugin was called after it had panicked.",
        "Look for the PLUGIN_PANIC before it.",
    ),
    "PLUGIN_READ_FAILED": (
        "A library of the older JSON ABI ended its rows in a way that is no end.",
        "Read what it printed on stderr. If there was nothing to read, say `allow_empty: true`.",
    ),
    "PLUGIN_REFUSED": (
        "A library of the older JSON ABI did not take its configuration.",
        "Read what it printed on stderr; correct `connection`, `credentials` and `engine.options`.",
    ),
    "PLUGIN_STUCK": (
        "A native plugin went on after it was asked to stop, so that it could not be released.",
        "Run it with `place: process`, which can end it; its author should look at `cancel`.",
    ),
    "PLUGIN_TIMEOUT": (
        "A plugin took longer than its place allows: for a verb, or to be opened.",
        "Raise `place.timeout_seconds` or `start_seconds`; a reader without an end is a bug of the plugin.",
    ),
    "PLUGIN_VERSION_INCOMPATIBLE": (
        "A plugin was made for another version of the SDK.",
        "Install the version of the plugin that the message names; build an `image` anew with the host's release.",
    ),
    "PLUGIN_WRITER_GONE": (
        "A commit is asked of another instance of a writer than the one that wrote.",
        "Run the job again in one process, or set `commit_anywhere = True` on the class if that is true of it.",
    ),
    "PLUGIN_WRITE_FAILED": (
        "A library of the older JSON ABI did not write a batch.",
        "Read what it printed on stderr; nothing of the unit was committed.",
    ),
    "PLUGIN_WRONG_CLASS": (
        "A plugin's class is not of the kind that the job needs, or leaves methods out.",
        "Inherit from BaseReader or BaseWriter and define what the message names.",
    ),
    "RATE_LIMIT_EXCEEDED": (
        "The source asked for fewer calls.",
        "Nothing: Dagster waits and tries again. Lower `rate_limits` if it happens often.",
    ),
    "RECORD_TOO_LONG": (
        "One record is longer than 64 MB; a quote or bracket is probably never closed.",
        "Mend the file at the line in the message, or correct the dialect.",
    ),
    "REPLICA_CONFLICT": (
        "A replica cancelled a query to keep up with its primary.",
        "Run again; raise max_standby_streaming_delay there, or read the primary.",
    ),
    "REQUIREMENTS_UNRESOLVED": (
        "No wheels of the `requirements` of a place fit the system of its runtime, or the host has no pip.",
        "Install pip, allow other versions, or take another `runtime`; pip's own words are in the message.",
    ),
    "ROWS_DIFFER": (
        "A file of a table has not as many rows as the table says, so that it was not compacted.",
        "Look at the files in the message with another engine; nothing was changed.",
    ),
    "ROWS_LOST": (
        "A writer says that it is done and did not write every row; nothing was committed.",
        "It is a bug of the writer: send its author the counts in the message.",
    ),
    "SANDBOX_ERROR": (
        "The sandbox around a plugin failed or had to be ended.",
        "Look at the limits in the message: memory, time or a refused call.",
    ),
    "REPLAY_REFUSED": (
        "A table has no place for rows that come late: each run makes it anew, or nothing says which row is newer.",
        "Give `merge` an `order_by`, or mend the contract or the source, and run the job again.",
    ),
    "SCHEMA_CHANGE_REFUSED": (
        "The contract asks for changes of the table that the job does not allow.",
        "Mend the contract, or set what the message names under `target.evolution`.",
    ),
    "SCHEMA_MOVED": (
        "Somebody changed the table's schema while the run wrote its files.",
        "Nothing: the run plans and writes again.",
    ),
    "SDK_NOT_FOUND": (
        "The crate that a plugin in Rust is built with is not where it was looked for.",
        "Clone the repository of dativo and name its folder with --sdk.",
    ),
    "SECRET_AMBIGUOUS": (
        "Two secrets give one name different values.",
        "Rename one of them in the secret manager.",
    ),
    "SECRET_IN_RESOURCE": (
        "A Dagster resource was given a secret itself, and Dagster stores what a resource is given.",
        'Write "${NAME}" or dg.EnvVar("NAME") and set that variable or secret where the code runs.',
    ),
    "SECRET_MALFORMED": (
        "A secret is not what its format says, or cannot be read.",
        "Correct the secret that the message names, or its `format`.",
    ),
    "SECRET_MANAGER_INVALID": (
        "The secret manager's own configuration is incomplete or wrong.",
        "Change what the message names in `--secret-manager-config` or in the variables.",
    ),
    "SECRET_NOT_FOUND": (
        "The secret manager has no such secret, or none for this tenant.",
        "Create it, or correct its name, path or version in the configuration.",
    ),
    "SERVER_BUSY": (
        "The database has no room for one more connection or statement.",
        "Nothing: it is tried again. If it lasts, run less at once.",
    ),
    "SNAPSHOT_NOT_SHARED": (
        "`snapshot: job` cannot be kept: the steps of the run are not served by one session of the source.",
        "Run the job in one process (the in-process executor) and from its beginning, or use `snapshot: stream`.",
    ),
    "SOURCE_NOT_WHOLE": (
        "`delete_missing` would delete rows that the run did not read.",
        "Drop `incremental`, or delete by a `deleted_column` instead.",
    ),
    "STATEMENT_TIMEOUT": (
        "A statement took longer than the server or the job allows.",
        "Raise `statement_timeout`, or read less at once.",
    ),
    "STATE_CORRUPT": (
        "What a table or the state file of a plugin remembers of a stream cannot be read.",
        "Put one there with `dativo state set` or `reset`; mend a file, or remove it to read all of the source.",
    ),
    "STATE_FILE_CHANGED": (
        "The state file of a plugin was written by somebody else since the last commit.",
        "`dativo state set --from-file` to go on from it, or remove it to go on from the table.",
    ),
    "STATE_FILE_TAKEN": (
        "The state file of a plugin is already that of another stream.",
        "Give each stream a `state_path` of its own.",
    ),
    "STATE_MISSING": (
        "A table has rows and no memory of how far their stream was read; appending all of it could double them.",
        "Put the cursor back with `dativo state set`, or say `on_missing_state: recover` or `read_all`.",
    ),
    "STATE_MOVED": (
        "A state is no longer what it was when somebody decided to change it.",
        "Look at it again with `dativo state show`; a run may just have committed.",
    ),
    "STATE_NOT_RECOVERABLE": (
        "The table has no value of a cursor column from which a stream could go on.",
        "Put the cursor back with `dativo state set`.",
    ),
    "STDOUT_FLOOD": (
        "A plugin printed or logged more than `place.output_mb` in one verb.",
        "Let it say less, or raise the limit.",
    ),
    "STORAGE_FULL": ("The disk is full.", "Make room and run the job again; nothing of the failed run is visible."),
    "STORAGE_UNREACHABLE": (
        "An object store cannot be reached, or failed.",
        "Check `endpoint` and the network; `dativo check` tries again.",
    ),
    "TABLE_NOT_FOUND": (
        "There is no such table or view, or it may not be seen.",
        "Check the name, its case and its schema, and the job's user; `dativo discover` lists what there is.",
    ),
    "TABLE_ROLLED_BACK": (
        "The table was rolled back behind the last commit of this stream, its cursor was not.",
        "Remove the property that the message names to read the source from its beginning, or correct it.",
    ),
    "TLS_FAILED": (
        "The encrypted connection was not made: a certificate or a mode does not suit.",
        "Check `tls`, its files and the server's certificate.",
    ),
    "TRANSIENT_ERROR": ("Something passing.", "Nothing: Dagster tries again."),
    "TYPE_NOT_HELD": (
        "The type in the contract cannot hold a column of the source.",
        "Say the type that the message proposes.",
    ),
    "TYPE_UNSUPPORTED": (
        "The table format cannot hold a column of the contract without loss.",
        "Choose the type that the message proposes.",
    ),
    "UNCLOSED_QUOTE": (
        "A quote in a CSV file is open at its end.",
        "Fetch the file again if it was cut short; else correct `quote_char` or `escape_char` of the source.",
    ),
    "UNKNOWN_COLUMNS": (
        "The source has columns that the contract does not, and validation is strict.",
        "Add them to the contract, take them out of the source, or set `validation: quarantine`.",
    ),
    "UNKNOWN_ENCODING": (
        "`encoding` names none that Python knows.",
        "Use a name such as utf-8, utf-16, latin-1 or cp1252.",
    ),
    "UNKNOWN_FORMAT": (
        "A file's name does not tell its format.",
        "Set `format` of the source to csv, json or parquet.",
    ),
    "UNKNOWN_RUNTIME": (
        "The runtime of a function is none that is known.",
        "Write provided.al2023, provided.al2 or a Python such as python3.12.",
    ),
    "UNKNOWN_STORAGE": (
        "A path has a scheme that is no storage, or another bucket than the one that was opened.",
        "Use a local path, s3:// or gs://.",
    ),
    "UNSET_VARIABLE": (
        "A file uses an environment variable that is not set and has no default.",
        "Set the variable, or write a default: `${NAME:-default}`. A dollar sign by itself is written `$$`.",
    ),
    "VALIDATION_FAILED": (
        "Rows broke their contract and the job says that this fails the run.",
        "Mend the source or the contract, or set `validation: quarantine` to keep such rows aside.",
    ),
    "MISSING_EXTRA": (
        "A part needs a package that is not installed.",
        "Run the `pip install` in the message.",
    ),
    "TOO_MANY_REJECTED": (
        "More rows broke the contract than the job allows; nothing was committed.",
        "Mend the source or the contract, or raise `max_rejected` / `max_rejected_percent`.",
    ),
    "UNKNOWN_CHECK": (
        "No check has that name.",
        "Look at the names in the message.",
    ),
    "UNKNOWN_FIX": (
        "A mended row has an id that is not in the quarantine, or no longer.",
        "Export the rows again, and mend those.",
    ),
    "UNKNOWN_PARTITION": (
        "A partition key names no part of the stream.",
        "Write it as the message says; parts begin and end where `partitions` of the job says.",
    ),
    "UNKNOWN_CONNECTOR": (
        "No connector has that name.",
        "Use the name that the message proposes.",
    ),
    "UNKNOWN_LAUNCHER": (
        "No place where a plugin could run has that name.",
        "Use one of the names in the message; without `place` a plugin runs where its kind does best.",
    ),
    "UNKNOWN_SECRET": (
        "No secret manager has that name.",
        "Use one of the names in the message.",
    ),
    "UNKNOWN_TABLE": (
        "No table format has that name.",
        "Use the name that the message proposes.",
    ),
    "VALUE_NOT_HELD": (
        "A list holds a value that its type cannot.",
        "Say json or list<string> in the contract.",
    ),
    "WIRE_BROKEN": (
        "What a worker sent was no frame.",
        "The plugin probably writes to a file descriptor that is not its own.",
    ),
    "WRITE_FAILED": (
        "Rows could not be written as Parquet.",
        "The cause is in the log of the step; nothing of the unit was left.",
    ),
    "WRONG_MACHINE": (
        "A library was built for another machine than the function has.",
        "Build it for the architecture in the message, or change `architecture` of the place.",
    ),
    "WRONG_ROLE": (
        "A job uses a recipe, or a name in a library, as a source or target that is not one.",
        "Choose a recipe whose `roles` has that side; of a library, write one of the names in the message.",
    ),
    "WRONG_TENANT": (
        "A job belongs to another tenant, or a folder to several.",
        "Choose the tenant with `--tenant-id`.",
    ),
}
