//! Changes on their way into the tables.

use aws_lc_rs::digest;
use gateway_core::approvals::change::Change;
use gateway_core::approvals::grant::{Ending, Grant, Use};
use gateway_core::approvals::likeness::Likeness;
use gateway_core::approvals::moment::Moment;
use gateway_core::approvals::request::{Request, Says, State, Vote};
use gateway_core::held::HeldAction;
use gateway_core::ids::{AskId, GrantId, RequestId, SessionId};
use gateway_core::preview::Preview;
use rusqlite::{Connection, params};

use super::{Store, StoreError};

/// So many rows by one action are as good as any: sums of them stay in range.
const MOST_ROWS: u64 = 1 << 40;

/// So much is let go of at once.
const BATCH: i64 = 1000;

/// What a change is, to who reads the list of all.
struct Entry<'a> {
    at: Moment,
    kind: &'static str,
    request: Option<&'a RequestId>,
    granted: Option<&'a GrantId>,
}

impl Store {
    /// Writes changes. They count once they are committed, with all that was written since the last time.
    ///
    /// # Errors
    /// They cannot be written. What the file says when it is opened again is what holds.
    pub fn write(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let connection = &self.connection;
        if connection.is_autocommit() {
            connection.execute_batch("BEGIN IMMEDIATE")?;
        }
        for change in changes {
            let entry = write(connection, change)?;
            note(connection, &entry)?;
        }
        Ok(())
    }

    /// Commits what was written, all or none. When it returns without an error it is on disk.
    ///
    /// # Errors
    /// It is not, or that is not certain: what the file says when it is opened again is what holds.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("COMMIT")?;
        }
        Ok(())
    }

    /// Lets go of what has been over since before `until`: requests that no grant in force was made by,
    /// grants with all that passed by them, and what the list of changes has of that time. No more than
    /// a [`BATCH`] of each at once, so that nobody waits long for it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn prune(&mut self, until: Moment) -> Result<(), StoreError> {
        let bounds = params![number(until.0), BATCH];
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "DELETE FROM granted WHERE id IN (SELECT id FROM granted WHERE ended < ?1 LIMIT ?2)",
            bounds,
        )?;
        transaction.execute(
            "DELETE FROM request WHERE id IN (
                 SELECT id FROM request WHERE closed < ?1
                 AND NOT EXISTS (SELECT 1 FROM granted WHERE granted.request = request.id)
                 LIMIT ?2
             )",
            bounds,
        )?;
        transaction.execute(
            "DELETE FROM change WHERE number IN (
                 SELECT number FROM change WHERE at < ?1 ORDER BY number LIMIT ?2
             )",
            bounds,
        )?;
        transaction.commit()?;
        Ok(())
    }
}

fn write<'a>(to: &Connection, change: &'a Change) -> Result<Entry<'a>, StoreError> {
    let entry = |kind, at, request, granted| Entry {
        at,
        kind,
        request,
        granted,
    };
    Ok(match change {
        Change::Opened { request } => {
            opened(to, request)?;
            entry("opened", request.opened, Some(&request.id), None)
        }
        Change::Voted { request, vote } => {
            voted(to, request, vote)?;
            entry("voted", vote.at, Some(request), None)
        }
        Change::Previewed {
            request,
            at,
            preview,
        } => {
            previewed(to, request, preview)?;
            entry("previewed", *at, Some(request), None)
        }
        Change::Closed { request, at, state } => {
            closed(to, request, *at, state)?;
            entry("closed", *at, Some(request), None)
        }
        Change::Granted { grant } => {
            granted(to, grant)?;
            entry("granted", grant.made, Some(&grant.request), Some(&grant.id))
        }
        Change::Used { grant, used } => {
            passed(to, grant, used)?;
            entry("used", used.at, used.request.as_ref(), Some(grant))
        }
        Change::Finished {
            grant,
            session,
            ask,
            rows,
            at,
        } => {
            finished(to, grant, session, *ask, *rows, *at)?;
            entry("finished", *at, None, Some(grant))
        }
        Change::Ended { grant, at, ending } => {
            ended(to, grant, *at, ending)?;
            entry("ended", *at, None, Some(grant))
        }
    })
}

fn note(to: &Connection, entry: &Entry<'_>) -> Result<(), StoreError> {
    let mut insert = to.prepare_cached(
        "INSERT INTO change (at, kind, request, granted) VALUES (?1, ?2, ?3, ?4)",
    )?;
    insert.execute(params![
        number(entry.at.0),
        entry.kind,
        entry.request.map(RequestId::as_str),
        entry.granted.map(GrantId::as_str),
    ])?;
    Ok(())
}

fn opened(to: &Connection, request: &Request) -> Result<(), StoreError> {
    let action = &request.action;
    let mut insert = to.prepare_cached(
        "INSERT INTO request (id, session, ask, workload, resource, action, shape, opened, deadline,
             closed, state, outcome, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, ?10, ?11, ?12)",
    )?;
    insert.execute(params![
        request.id.as_str(),
        action.session.as_str(),
        action.ask.0,
        action.subject.workload.as_str(),
        action.resource.as_str(),
        action.action.as_str(),
        shape(action)?,
        number(request.opened.0),
        number(request.deadline.0),
        word(&request.state),
        serde_json::to_string(&request.state)?,
        serde_json::to_string(action)?,
    ])?;
    for vote in &request.votes {
        voted(to, &request.id, vote)?;
    }
    Ok(())
}

fn voted(to: &Connection, request: &RequestId, vote: &Vote) -> Result<(), StoreError> {
    let says = match vote.says {
        Says::Approve { .. } => "approve",
        Says::Refuse => "refuse",
    };
    let mut insert = to.prepare_cached(
        "INSERT INTO vote (request, number, at, name, uid, says, body)
         SELECT ?1, count(*), ?2, ?3, ?4, ?5, ?6 FROM vote WHERE request = ?1",
    )?;
    insert.execute(params![
        request.as_str(),
        number(vote.at.0),
        vote.by.name,
        vote.by.uid,
        says,
        serde_json::to_string(vote)?,
    ])?;
    Ok(())
}

fn previewed(to: &Connection, request: &RequestId, preview: &Preview) -> Result<(), StoreError> {
    let mut update = to.prepare_cached("UPDATE request SET preview = ?2 WHERE id = ?1")?;
    let changed = update.execute(params![request.as_str(), serde_json::to_string(preview)?])?;
    one(changed, "a request that is previewed")
}

fn closed(
    to: &Connection,
    request: &RequestId,
    at: Moment,
    state: &State,
) -> Result<(), StoreError> {
    let mut update = to
        .prepare_cached("UPDATE request SET closed = ?2, state = ?3, outcome = ?4 WHERE id = ?1")?;
    let changed = update.execute(params![
        request.as_str(),
        number(at.0),
        word(state),
        serde_json::to_string(state)?,
    ])?;
    one(changed, "a request that is closed")
}

fn granted(to: &Connection, grant: &Grant) -> Result<(), StoreError> {
    let mut insert = to.prepare_cached(
        "INSERT INTO granted (id, request, workload, made, expires, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(params![
        grant.id.as_str(),
        grant.request.as_str(),
        grant.workload.as_str(),
        number(grant.made.0),
        number(grant.expires.0),
        serde_json::to_string(grant)?,
    ])?;
    Ok(())
}

fn passed(to: &Connection, grant: &GrantId, used: &Use) -> Result<(), StoreError> {
    let mut insert = to.prepare_cached(
        "INSERT INTO used (granted, session, ask, action, at, request)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(params![
        grant.as_str(),
        used.session.as_str(),
        used.ask.0,
        used.action.as_str(),
        number(used.at.0),
        used.request.as_ref().map(RequestId::as_str),
    ])?;
    Ok(())
}

fn finished(
    to: &Connection,
    grant: &GrantId,
    session: &SessionId,
    ask: AskId,
    rows: Option<u64>,
    at: Moment,
) -> Result<(), StoreError> {
    let mut update = to.prepare_cached(
        "UPDATE used SET finished = ?4, changed_rows = ?5
         WHERE granted = ?1 AND session = ?2 AND ask = ?3 AND finished IS NULL",
    )?;
    let changed = update.execute(params![
        grant.as_str(),
        session.as_str(),
        ask.0,
        number(at.0),
        rows.map(|rows| number(rows.min(MOST_ROWS))),
    ])?;
    one(changed, "an action that is over")
}

fn ended(to: &Connection, grant: &GrantId, at: Moment, ending: &Ending) -> Result<(), StoreError> {
    let mut update = to.prepare_cached(
        "UPDATE granted SET ended = ?2, ending = ?3 WHERE id = ?1 AND ended IS NULL",
    )?;
    let changed = update.execute(params![
        grant.as_str(),
        number(at.0),
        serde_json::to_string(ending)?,
    ])?;
    one(changed, "a grant that ends")
}

/// Fails closed: a change that changes nothing was made on something that the file does not know.
fn one(changed: usize, what: &'static str) -> Result<(), StoreError> {
    match changed {
        1 => Ok(()),
        _ => Err(StoreError::NotThere(what)),
    }
}

/// The name of the sort of action, by which it is counted.
pub(super) fn shape(action: &HeldAction) -> Result<String, StoreError> {
    let sort = serde_json::to_vec(&Likeness::sort(action))?;
    Ok(hex::encode(digest::digest(&digest::SHA256, &sort)))
}

/// What became of a request, in a word.
pub(super) fn word(state: &State) -> &'static str {
    match state {
        State::Open => "open",
        State::Approved { .. } => "approved",
        State::ApprovedLate { .. } => "approved_late",
        State::Refused { .. } => "refused",
        State::TimedOut => "timed_out",
        State::Withdrawn { .. } => "withdrawn",
    }
}

/// SQLite's numbers have a sign. What does not fit is the largest: times at the end of the world.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
