-- The log and what lies beside it. Times are nanoseconds since 1970.

CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    actor TEXT NOT NULL,
    body BLOB NOT NULL,
    -- SHA-256 of the event before and this one; see chain.rs.
    chain BLOB NOT NULL
) STRICT;

CREATE TABLE personal (
    reference TEXT PRIMARY KEY,
    person TEXT NOT NULL,
    value BLOB NOT NULL,
    -- SHA-256 of the row.
    sum BLOB NOT NULL
) STRICT;

CREATE INDEX personal_of_person ON personal (person);

CREATE TABLE answers (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    at INTEGER NOT NULL,
    -- SHA-256 of the row.
    sum BLOB NOT NULL
) STRICT;

CREATE INDEX answers_by_age ON answers (at);

CREATE TABLE blobs (
    -- SHA-256 of the body, in lower-case hexadecimal.
    digest TEXT PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE lease (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    fence INTEGER NOT NULL,
    -- Nobody after a release.
    holder TEXT,
    until INTEGER
) STRICT;

INSERT INTO lease (only_row, fence) VALUES (1, 0);
