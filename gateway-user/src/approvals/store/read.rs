//! From the tables back to a desk, and for those who look back.

use std::collections::{BTreeMap, BTreeSet};

use gateway_core::approvals::desk::{Desk, Limits};
use gateway_core::approvals::grant::{Ending, Grant};
use gateway_core::approvals::moment::Moment;
use gateway_core::approvals::request::Request;
use gateway_core::held::{Demand, HeldAction};
use gateway_core::ids::{AskId, RequestId, SessionId};
use rusqlite::{OptionalExtension as _, Row, params};

use super::write::{number, shape};
use super::{Store, StoreError};

/// How often the same sort of action was asked for before, by what became of it: `approved`, `refused` and
/// so on.
pub type Earlier = BTreeMap<String, u64>;

/// A grant, and when and why it ended if it did.
#[derive(Clone, Debug, PartialEq)]
pub struct PastGrant {
    /// The grant.
    pub grant: Grant,
    /// Its end.
    pub ended: Option<(Moment, Ending)>,
}

/// So much of grants that ended is read at most, in bytes: a grant may have the whole text that it covers.
const READ: usize = 16 << 20;

const REQUEST: &str = "SELECT id, opened, deadline, closed, outcome, preview, body FROM request";
const GRANT: &str = "SELECT id, ended, ending, body FROM granted";

/// A row of [`REQUEST`].
struct RequestRow {
    id: String,
    opened: i64,
    deadline: i64,
    closed: Option<i64>,
    outcome: String,
    preview: Option<String>,
    body: String,
}

/// A row of [`GRANT`].
struct GrantRow {
    id: String,
    ended: Option<i64>,
    ending: Option<String>,
    body: String,
}

impl Store {
    /// The desk as it was when the last change was written.
    ///
    /// # Errors
    /// What is in the file cannot be read.
    pub fn desk(&self, limits: Limits, now: Moment) -> Result<Desk, StoreError> {
        let span = u64::try_from(limits.late.as_millis()).unwrap_or(u64::MAX);
        let since = number(now.0.saturating_sub(span));
        // No more of each workload than the desk keeps: there may be very many.
        let sql = format!(
            "{REQUEST} WHERE closed IS NULL OR id IN (
                 SELECT id FROM (
                     SELECT id, row_number() OVER (PARTITION BY workload ORDER BY id DESC) AS place
                     FROM request WHERE closed > ?1 AND state IN ('timed_out', 'withdrawn')
                 ) WHERE place <= ?2
             ) ORDER BY id"
        );
        let most = i64::try_from(limits.late_of_workload).unwrap_or(i64::MAX);
        let mut query = self.connection.prepare_cached(&sql)?;
        let rows = query.query_map([since, most], request_row)?;
        let mut requests = Vec::new();
        for row in rows {
            requests.push(self.assemble(row?)?);
        }
        let sql = format!("{GRANT} WHERE ended IS NULL ORDER BY id");
        let mut query = self.connection.prepare_cached(&sql)?;
        let rows = query.query_map([], grant_row)?;
        let mut grants = Vec::new();
        for row in rows {
            grants.push(self.assemble_grant(row?)?.grant);
        }
        Ok(Desk::restore(limits, requests, grants))
    }

    /// A request, whenever it was.
    ///
    /// # Errors
    /// What is in the file cannot be read.
    pub fn request(&self, id: &RequestId) -> Result<Option<Request>, StoreError> {
        let sql = format!("{REQUEST} WHERE id = ?1");
        let mut query = self.connection.prepare_cached(&sql)?;
        let row = query.query_row([id.as_str()], request_row).optional()?;
        row.map(|row| self.assemble(row)).transpose()
    }

    /// Requests whose id begins or ends like this, the latest first: those among so many that are put to whom is
    /// `wanted`. Nothing else is read of them, since agents make them large.
    ///
    /// # Errors
    /// What is in the file cannot be read.
    pub fn named(
        &self,
        part: &str,
        most: u32,
        wanted: impl Fn(&[Demand]) -> bool,
    ) -> Result<Vec<RequestId>, StoreError> {
        let mut query = self.connection.prepare_cached(
            "SELECT id, json_extract(body, '$.demands') FROM request
             WHERE substr(id, 1, length(?1)) = ?1 OR substr(id, -length(?1)) = ?1
             ORDER BY id DESC LIMIT ?2",
        )?;
        let mut rows = query.query(params![part, most])?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            let demands: String = row.get(1)?;
            let demands: Vec<Demand> = serde_json::from_str(&demands)?;
            if wanted(&demands) {
                ids.push(RequestId::new(row.get::<_, String>(0)?));
            }
        }
        Ok(ids)
    }

    /// What is to be kept of requests that are closed, the latest first: of at most so many. One at a time is
    /// whole in memory.
    ///
    /// # Errors
    /// What is in the file cannot be read.
    pub fn closed<T>(
        &self,
        most: u32,
        mut keep: impl FnMut(Request) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        let sql =
            format!("{REQUEST} WHERE closed IS NOT NULL ORDER BY closed DESC, id DESC LIMIT ?1");
        let mut query = self.connection.prepare_cached(&sql)?;
        let rows = query.query_map([most], request_row)?;
        let mut kept = Vec::new();
        for row in rows {
            kept.extend(keep(self.assemble(row?)?));
        }
        Ok(kept)
    }

    /// A grant, whenever it was.
    #[cfg(test)]
    pub fn grant(&self, id: &gateway_core::ids::GrantId) -> Result<Option<PastGrant>, StoreError> {
        let sql = format!("{GRANT} WHERE id = ?1");
        let mut query = self.connection.prepare_cached(&sql)?;
        let row = query.query_row([id.as_str()], grant_row).optional()?;
        row.map(|row| self.assemble_grant(row)).transpose()
    }

    /// Grants that ended, the latest first: at most so many, and [`READ`].
    ///
    /// # Errors
    /// What is in the file cannot be read.
    pub fn ended(&self, most: u32) -> Result<Vec<PastGrant>, StoreError> {
        let sql = format!("{GRANT} WHERE ended IS NOT NULL ORDER BY ended DESC, id DESC LIMIT ?1");
        let mut query = self.connection.prepare_cached(&sql)?;
        let rows = query.query_map([most], grant_row)?;
        let (mut grants, mut read) = (Vec::new(), 0_usize);
        for row in rows {
            let row = row?;
            read = read.saturating_add(row.body.len());
            if read > READ {
                break;
            }
            grants.push(self.assemble_grant(row)?);
        }
        Ok(grants)
    }

    /// How often the same sort of action was asked for, apart from this request.
    ///
    /// # Errors
    /// What is in the file cannot be read.
    pub fn earlier(&self, action: &HeldAction, than: &RequestId) -> Result<Earlier, StoreError> {
        let mut query = self.connection.prepare_cached(
            "SELECT state, count(*) FROM request WHERE shape = ?1 AND id <> ?2 GROUP BY state",
        )?;
        let rows = query.query_map(params![shape(action)?, than.as_str()], |row| {
            let count: i64 = row.get(1)?;
            Ok((row.get(0)?, u64::try_from(count).unwrap_or(0)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn assemble(&self, row: RequestRow) -> Result<Request, StoreError> {
        let mut query = self
            .connection
            .prepare_cached("SELECT body FROM vote WHERE request = ?1 ORDER BY number")?;
        let bodies = query.query_map([&row.id], |row| row.get::<_, String>(0))?;
        let mut votes = Vec::new();
        for body in bodies {
            votes.push(serde_json::from_str(&body?)?);
        }
        Ok(Request {
            id: RequestId::new(row.id),
            action: serde_json::from_str(&row.body)?,
            opened: moment(row.opened),
            deadline: moment(row.deadline),
            votes,
            preview: row
                .preview
                .as_deref()
                .map(serde_json::from_str)
                .transpose()?,
            state: serde_json::from_str(&row.outcome)?,
            closed: row.closed.map(moment),
        })
    }

    fn assemble_grant(&self, row: GrantRow) -> Result<PastGrant, StoreError> {
        let mut grant: Grant = serde_json::from_str(&row.body)?;
        let mut query = self.connection.prepare_cached(
            "SELECT count(*), coalesce(sum(changed_rows), 0) FROM used WHERE granted = ?1",
        )?;
        let (uses, rows): (i64, i64) =
            query.query_row([&row.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        grant.uses = u64::try_from(uses).unwrap_or(0);
        grant.rows = u64::try_from(rows).unwrap_or(0);
        grant.running = self.running(&row.id)?;
        let ended = match (row.ended, row.ending) {
            (Some(at), Some(ending)) => Some((moment(at), serde_json::from_str(&ending)?)),
            _ => None,
        };
        Ok(PastGrant { grant, ended })
    }

    fn running(&self, grant: &str) -> Result<BTreeSet<(SessionId, AskId)>, StoreError> {
        let mut query = self.connection.prepare_cached(
            "SELECT session, ask FROM used WHERE granted = ?1 AND finished IS NULL",
        )?;
        let rows = query.query_map([grant], |row| {
            let session: String = row.get(0)?;
            Ok((SessionId::new(session), AskId(row.get(1)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn request_row(row: &Row<'_>) -> rusqlite::Result<RequestRow> {
    Ok(RequestRow {
        id: row.get(0)?,
        opened: row.get(1)?,
        deadline: row.get(2)?,
        closed: row.get(3)?,
        outcome: row.get(4)?,
        preview: row.get(5)?,
        body: row.get(6)?,
    })
}

fn grant_row(row: &Row<'_>) -> rusqlite::Result<GrantRow> {
    Ok(GrantRow {
        id: row.get(0)?,
        ended: row.get(1)?,
        ending: row.get(2)?,
        body: row.get(3)?,
    })
}

fn moment(number: i64) -> Moment {
    Moment(u64::try_from(number).unwrap_or(0))
}
