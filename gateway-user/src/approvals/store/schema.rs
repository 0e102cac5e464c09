//! The tables, and how an older file becomes one of today's.
//!
//! What is looked for has a column; the rest is JSON in the form that the core gives it. Times are
//! milliseconds since 1970.

use rusqlite::Connection;

use super::StoreError;

/// Each brings a file from the version of its place to the next. They are never changed, only added to.
const MIGRATIONS: [&str; 1] = [
    // `body` of a request is the action; `outcome` what became of it; `shape` names the sort of action.
    // `body` of a grant is what it was when it was made.
    "CREATE TABLE request (
         id TEXT NOT NULL PRIMARY KEY,
         session TEXT NOT NULL,
         ask INTEGER NOT NULL,
         workload TEXT NOT NULL,
         resource TEXT NOT NULL,
         action TEXT NOT NULL,
         shape TEXT NOT NULL,
         opened INTEGER NOT NULL,
         deadline INTEGER NOT NULL,
         closed INTEGER,
         state TEXT NOT NULL,
         outcome TEXT NOT NULL,
         preview TEXT,
         body TEXT NOT NULL
     ) STRICT;
     CREATE INDEX request_closed ON request (closed);
     CREATE INDEX request_shape ON request (shape, state);
     CREATE TABLE vote (
         request TEXT NOT NULL REFERENCES request (id) ON DELETE CASCADE,
         number INTEGER NOT NULL,
         at INTEGER NOT NULL,
         name TEXT NOT NULL,
         uid INTEGER NOT NULL,
         says TEXT NOT NULL,
         body TEXT NOT NULL,
         PRIMARY KEY (request, number)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE granted (
         id TEXT NOT NULL PRIMARY KEY,
         request TEXT NOT NULL REFERENCES request (id),
         workload TEXT NOT NULL,
         made INTEGER NOT NULL,
         expires INTEGER NOT NULL,
         ended INTEGER,
         ending TEXT,
         body TEXT NOT NULL
     ) STRICT;
     CREATE INDEX granted_ended ON granted (ended);
     CREATE INDEX granted_request ON granted (request);
     CREATE TABLE used (
         number INTEGER PRIMARY KEY AUTOINCREMENT,
         granted TEXT NOT NULL REFERENCES granted (id) ON DELETE CASCADE,
         session TEXT NOT NULL,
         ask INTEGER NOT NULL,
         action TEXT NOT NULL,
         at INTEGER NOT NULL,
         request TEXT,
         finished INTEGER,
         changed_rows INTEGER
     ) STRICT;
     CREATE INDEX used_granted ON used (granted, finished);
     CREATE TABLE change (
         number INTEGER PRIMARY KEY AUTOINCREMENT,
         at INTEGER NOT NULL,
         kind TEXT NOT NULL,
         request TEXT,
         granted TEXT
     ) STRICT;",
];

/// Makes the tables what they are today.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = usize::try_from(version).ok();
    let Some(version) = known.filter(|it| *it <= MIGRATIONS.len()) else {
        return Err(StoreError::Newer(version));
    };
    let transaction = connection.transaction()?;
    for migration in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(migration)?;
    }
    let newest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    transaction.pragma_update(None, "user_version", newest)?;
    transaction.commit()?;
    Ok(())
}
